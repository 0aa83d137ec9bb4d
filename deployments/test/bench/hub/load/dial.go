package load

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"syscall"
	"time"
)

// handshakeTime bounds a handshake while ten thousand connections are opened.
const handshakeTime = time.Minute

// Conn is a WebSocket connection of the client.
type Conn struct {
	file     *os.File
	fd       int
	protocol *Protocol
	number   int

	// Guarded by the client's mu.
	rest   []byte                // may be the beginning of a marker
	next   [maxPublishers]uint64 // expected sequence number by publisher
	late   bool                  // opened while texts were in flight: any first sequence number is expected
	narrow bool                  // has a small receive buffer
	echo   *Publisher            // whose slots the texts free; nil: a receiver
	ended  bool
}

// dial opens a connection and performs the handshake. It returns the bytes that
// it read beyond the handshake: others may be publishing already.
func dial(ctx context.Context, addr string, p *Protocol, number int, narrow bool) (*Conn, []byte, error) {
	d := net.Dialer{}
	if narrow {
		d.Control = narrowed
	}
	ctx, cancel := context.WithTimeout(ctx, handshakeTime)
	defer cancel()
	nc, err := d.DialContext(ctx, "tcp4", addr)
	if err != nil {
		return nil, nil, fmt.Errorf("connect: %w", err)
	}
	defer func() { _ = nc.Close() }() // file has a descriptor of its own
	deadline, _ := ctx.Deadline()
	_ = nc.SetDeadline(deadline) // never fails on an open connection
	read, err := greet(nc, addr, p, number)
	if err != nil {
		return nil, nil, fmt.Errorf("connection %d: %w", number, err)
	}
	file, err := nc.(*net.TCPConn).File() //nolint:forcetypeassert // dialled as tcp4
	if err != nil {
		return nil, nil, fmt.Errorf("connection %d: %w", number, err)
	}
	// Blocking is safe: reads follow epoll, and writes are short.
	fd := int(file.Fd())
	if err := syscall.SetNonblock(fd, false); err != nil {
		return nil, nil, fmt.Errorf("connection %d: %w", number, err)
	}
	return &Conn{file: file, fd: fd, protocol: p, number: number, narrow: narrow}, read, nil
}

// narrowed minimises the kernels' buffers for a connection, like a slow network:
// on loopback the sender's kernel would buffer megabytes.
func narrowed(_, _ string, raw syscall.RawConn) error {
	var failed error
	err := raw.Control(func(fd uintptr) {
		failed = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 1) // the kernel raises it to its minimum
		if failed == nil {
			failed = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_MAXSEG, 536)
		}
	})
	if err != nil {
		return err
	}
	return failed
}

// wide is the receive window after widen: the maximum of a connection that was
// opened with a small buffer, thus without window scaling.
const wide = 1<<16 - 1

// widen undoes narrowed: with the smallest window the peer would only probe for
// single bytes.
func (c *Conn) widen() error {
	err := syscall.SetsockoptInt(c.fd, syscall.SOL_SOCKET, syscall.SO_RCVBUF, 2*wide)
	if err == nil {
		err = syscall.SetsockoptInt(c.fd, syscall.IPPROTO_TCP, syscall.TCP_WINDOW_CLAMP, wide)
	}
	if err != nil {
		return fmt.Errorf("widen connection %d: %w", c.number, err)
	}
	return nil
}

// greet upgrades the connection and performs the protocol's handshake.
func greet(nc net.Conn, addr string, p *Protocol, number int) ([]byte, error) {
	if _, err := nc.Write(upgrade(addr, p.Path(number))); err != nil {
		return nil, fmt.Errorf("request upgrade: %w", err)
	}
	var answer []byte
	more := func() error {
		chunk := make([]byte, 4<<10)
		n, err := nc.Read(chunk)
		answer = append(answer, chunk[:n]...)
		if err != nil {
			return fmt.Errorf("handshake: %w after %.300q", err, answer)
		}
		return nil
	}
	for {
		rest, whole, err := body(answer)
		if err != nil {
			return nil, err
		}
		if whole {
			answer = rest
			break
		}
		if err := more(); err != nil {
			return nil, err
		}
	}
	for _, step := range p.Hello {
		if step.Send != "" {
			if _, err := nc.Write(frame(opText, []byte(step.Send))); err != nil {
				return nil, fmt.Errorf("handshake: %w", err)
			}
		}
		for !bytes.Contains(answer, []byte(step.Until)) {
			if err := more(); err != nil {
				return nil, err
			}
		}
	}
	return answer, nil
}

// write sends whole frames.
func (c *Conn) write(frames []byte) error {
	for len(frames) > 0 {
		n, err := syscall.Write(c.fd, frames)
		if err != nil && err != syscall.EINTR {
			return fmt.Errorf("write to connection %d: %w", c.number, err)
		}
		frames = frames[max(n, 0):]
	}
	return nil
}
