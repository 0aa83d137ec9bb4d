// Package load is a WebSocket client that opens thousands of connections, and
// counts the marked texts in what it reads without understanding the protocol
// around them. One goroutine reads for all of them, so that most of the machine
// is the server's.
package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	maxPublishers = 8
	openers       = 32 // handshakes at a time
	idleWait      = 100 * time.Millisecond
)

// Client is a set of connections to one server.
type Client struct {
	began time.Time
	poll  int
	done  chan struct{}
	read  sync.WaitGroup

	mu        sync.Mutex
	byFD      map[int32]*Conn
	conns     []*Conn
	delivered int
	wrong     int
	ended     int
	failure   error
	recording bool
	latencies []uint32 // microseconds
}

// New starts a client without connections; Close ends it.
func New() (*Client, error) {
	poll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create a poll: %w", err)
	}
	c := &Client{began: time.Now(), poll: poll, done: make(chan struct{}), byFD: make(map[int32]*Conn)}
	c.read.Go(c.run)
	return c, nil
}

// Close ends all connections and says whether reading had failed.
func (c *Client) Close() error {
	close(c.done)
	c.read.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		_ = conn.file.Close() // it was only read from
	}
	_ = syscall.Close(c.poll)
	return c.failure
}

// Receivers opens n connections. Narrow ones take little from the network ahead
// of being read, and their latencies are not recorded.
func (c *Client) Receivers(ctx context.Context, addr string, p *Protocol, n int, narrow bool) ([]*Conn, error) {
	return c.open(ctx, n, func(ctx context.Context, number int) (*Conn, []byte, error) {
		return dial(ctx, addr, p, number, narrow)
	})
}

// Replace opens connections in the places of those that have ended.
func (c *Client) Replace(ctx context.Context, addr string, old []*Conn) ([]*Conn, error) {
	if len(old) == 0 {
		return nil, nil
	}
	return c.open(ctx, len(old), func(ctx context.Context, number int) (*Conn, []byte, error) {
		conn, read, err := dial(ctx, addr, old[0].protocol, number, old[0].narrow)
		if err == nil {
			conn.late = true
		}
		return conn, read, err
	})
}

func (c *Client) open(ctx context.Context, n int, dial func(context.Context, int) (*Conn, []byte, error)) ([]*Conn, error) {
	c.mu.Lock()
	first := len(c.conns)
	c.mu.Unlock()
	conns := make([]*Conn, n)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(openers)
	for i := range conns {
		group.Go(func() error {
			conn, read, err := dial(ctx, first+i)
			if err != nil {
				return err
			}
			conns[i] = conn
			return c.admit(conn, read)
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return conns, nil
}

// admit has the connection read from now on.
func (c *Client) admit(conn *Conn, read []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conns = append(c.conns, conn)
	c.byFD[int32(conn.fd)] = conn //nolint:gosec // a descriptor
	c.take(conn, read, c.now())
	return c.listen(conn)
}

func (c *Client) listen(conn *Conn) error {
	event := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(conn.fd)} //nolint:gosec // a descriptor
	if err := syscall.EpollCtl(c.poll, syscall.EPOLL_CTL_ADD, conn.fd, &event); err != nil {
		return fmt.Errorf("poll connection %d: %w", conn.number, err)
	}
	return nil
}

// Pause stops reading these connections: the clients have stalled.
func (c *Client) Pause(conns []*Conn) error {
	for _, conn := range conns {
		if err := c.deaf(conn); err != nil {
			return err
		}
	}
	return nil
}

// Resume reads these connections again, and as well as others.
func (c *Client) Resume(conns []*Conn) error {
	for _, conn := range conns {
		if err := conn.widen(); err != nil {
			return err
		}
		if err := c.listen(conn); err != nil {
			return err
		}
	}
	return nil
}

func (c *Client) deaf(conn *Conn) error {
	if err := syscall.EpollCtl(c.poll, syscall.EPOLL_CTL_DEL, conn.fd, nil); err != nil {
		return fmt.Errorf("leave connection %d alone: %w", conn.number, err)
	}
	return nil
}

// run reads until Close.
func (c *Client) run() {
	// What is kept of a connection's last read goes in front of the next one.
	buf := make([]byte, markerSize+64<<10)
	events := make([]syscall.EpollEvent, 256)
	for {
		select {
		case <-c.done:
			return
		default:
		}
		n, err := syscall.EpollWait(c.poll, events, int(idleWait.Milliseconds()))
		if err != nil && !errors.Is(err, syscall.EINTR) {
			c.fail(fmt.Errorf("poll: %w", err))
			return
		}
		c.mu.Lock()
		for i := range max(n, 0) {
			c.readFrom(c.byFD[events[i].Fd], buf)
		}
		c.mu.Unlock()
	}
}

func (c *Client) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failure = errors.Join(c.failure, err)
}

// readFrom takes what a connection has. It may be another thing than data:
// then it has ended.
func (c *Client) readFrom(conn *Conn, buf []byte) {
	kept := copy(buf, conn.rest)
	n, err := syscall.Read(conn.fd, buf[kept:])
	if err == syscall.EINTR {
		return
	}
	if n <= 0 || err != nil {
		c.end(conn)
		return
	}
	data := buf[:kept+n]
	c.take(conn, data, c.now())
	if bye := conn.protocol.Goodbye; bye != "" && bytes.Contains(data[kept:], []byte(bye)) {
		c.end(conn)
		return
	}
	if conn.protocol.asked(data[kept:]) {
		if err := conn.write(conn.protocol.Answers); err != nil {
			c.failure = errors.Join(c.failure, err)
		}
	}
}

func (c *Client) end(conn *Conn) {
	conn.ended = true
	c.ended++
	if err := c.deaf(conn); err != nil {
		c.failure = errors.Join(c.failure, err)
	}
	_ = syscall.Shutdown(conn.fd, syscall.SHUT_RDWR) // the server may have done it
}

// take counts the texts in what a connection has read.
func (c *Client) take(conn *Conn, data []byte, now uint64) {
	rest := scan(data, func(m mark) {
		if m.by >= maxPublishers {
			c.wrong++
			return
		}
		c.delivered++
		if m.seq != conn.next[m.by] && (!conn.late || conn.next[m.by] != 0) {
			c.wrong++
		}
		conn.next[m.by] = m.seq + 1
		if c.recording && !conn.narrow {
			c.latencies = append(c.latencies, uint32(now-m.at)) //nolint:gosec // less than an hour
		}
		if conn.echo != nil && m.by == conn.echo.by {
			conn.echo.free()
		}
	})
	conn.rest = append(conn.rest[:0], rest...)
}

// now is in the microseconds of a mark.
func (c *Client) now() uint64 { return uint64(time.Since(c.began).Microseconds()) } //nolint:gosec // positive
