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

// handshakeTime is how long one may take on a machine that opens ten thousand.
const handshakeTime = time.Minute

// Conn is one WebSocket of the client.
type Conn struct {
	file     *os.File
	fd       int
	protocol *Protocol
	number   int

	// Guarded by the client's mu.
	rest   []byte                // the beginning of a marker, perhaps
	next   [maxPublishers]uint64 // what each publisher's next text is to be
	late   bool                  // joined while texts were under way: the first of each publisher may be any
	narrow bool                  // takes little from the network ahead of being read
	echo   *Publisher            // whose slots its texts free; nil: a receiver
	ended  bool
}

// dial opens a connection and shakes hands. What has been read of the stream is
// returned, as others may be publishing already.
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
	defer func() { _ = nc.Close() }() // the file is a copy of it
	deadline, _ := ctx.Deadline()
	_ = nc.SetDeadline(deadline) // only notes it
	read, err := greet(nc, addr, p, number)
	if err != nil {
		return nil, nil, fmt.Errorf("connection %d: %w", number, err)
	}
	file, err := nc.(*net.TCPConn).File() //nolint:forcetypeassert // it was dialled as tcp4
	if err != nil {
		return nil, nil, fmt.Errorf("connection %d: %w", number, err)
	}
	// The reader reads only what is there, and what is written is short.
	fd := int(file.Fd())
	if err := syscall.SetNonblock(fd, false); err != nil {
		return nil, nil, fmt.Errorf("connection %d: %w", number, err)
	}
	return &Conn{file: file, fd: fd, protocol: p, number: number, narrow: narrow}, read, nil
}

// narrowed makes the kernels hold little for a receiver, as they do for one at
// the end of a long line: on a loopback the sender's would hold megabytes.
func narrowed(_, _ string, raw syscall.RawConn) error {
	var failed error
	err := raw.Control(func(fd uintptr) {
		failed = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 1) // the least there is
		if failed == nil {
			failed = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_MAXSEG, 536)
		}
	})
	if err != nil {
		return err
	}
	return failed
}

// wide is what a receiver may have ahead of being read: the most that can be
// said of a connection that began narrow.
const wide = 1<<16 - 1

// widen undoes narrowed: with the least of windows the peer would only now and
// then try whether a byte more fits.
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

// greet upgrades the connection and says the protocol's hello.
func greet(nc net.Conn, addr string, p *Protocol, number int) ([]byte, error) {
	if _, err := nc.Write(upgrade(addr, p.Path(number))); err != nil {
		return nil, fmt.Errorf("ask for a WebSocket: %w", err)
	}
	var answer []byte
	more := func() error {
		chunk := make([]byte, 4<<10)
		n, err := nc.Read(chunk)
		answer = append(answer, chunk[:n]...)
		if err != nil {
			return fmt.Errorf("shake hands: %w after %.300q", err, answer)
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
		if step.Say != "" {
			if _, err := nc.Write(frame(opText, []byte(step.Say))); err != nil {
				return nil, fmt.Errorf("shake hands: %w", err)
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
