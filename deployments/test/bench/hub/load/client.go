// Package load is a WebSocket client with thousands of connections. It counts
// marked texts in the received bytes without parsing the protocol around them.
// One goroutine reads all connections, so that the server gets most of the
// machine.
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
	openers       = 32 // concurrent handshakes
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
	wrong     int // texts out of order
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

// Close closes all connections and returns the first errors of reading.
func (c *Client) Close() error {
	close(c.done)
	c.read.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		_ = conn.file.Close() // errors do not matter any more
	}
	_ = syscall.Close(c.poll)
	return c.failure
}

// Receivers opens n connections. Narrow connections have a small receive buffer,
// and their latencies are not recorded.
func (c *Client) Receivers(ctx context.Context, addr string, p *Protocol, n int, narrow bool) ([]*Conn, error) {
	return c.open(ctx, n, func(ctx context.Context, number int) (*Conn, []byte, error) {
		return dial(ctx, addr, p, number, narrow)
	})
}

// Replace opens a new connection for each of the old, ended ones.
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
			return c.register(conn, read)
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return conns, nil
}

// register starts reading a connection.
func (c *Client) register(conn *Conn, read []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conns = append(c.conns, conn)
	c.byFD[int32(conn.fd)] = conn //nolint:gosec // a descriptor
	c.count(conn, read, c.now())
	return c.listen(conn)
}

func (c *Client) listen(conn *Conn) error {
	event := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(conn.fd)} //nolint:gosec // a descriptor
	if err := syscall.EpollCtl(c.poll, syscall.EPOLL_CTL_ADD, conn.fd, &event); err != nil {
		return fmt.Errorf("poll connection %d: %w", conn.number, err)
	}
	return nil
}

// Pause stops reading the connections, like a stalled client.
func (c *Client) Pause(conns []*Conn) error {
	for _, conn := range conns {
		if err := c.unlisten(conn); err != nil {
			return err
		}
	}
	return nil
}

// Resume reads the connections again, with a receive buffer of usual size.
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

func (c *Client) unlisten(conn *Conn) error {
	if err := syscall.EpollCtl(c.poll, syscall.EPOLL_CTL_DEL, conn.fd, nil); err != nil {
		return fmt.Errorf("stop polling connection %d: %w", conn.number, err)
	}
	return nil
}

// run reads until Close.
func (c *Client) run() {
	// The rest of a connection's last read is prepended to its next read.
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

// readFrom reads the available bytes of a connection. On an error or at the end
// of the stream the connection has ended.
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
	c.count(conn, data, c.now())
	if closing := conn.protocol.Close; closing != "" && bytes.Contains(data[kept:], []byte(closing)) {
		c.end(conn)
		return
	}
	if conn.protocol.pinged(data[kept:]) {
		if err := conn.write(conn.protocol.Pong); err != nil {
			c.failure = errors.Join(c.failure, err)
		}
	}
}

func (c *Client) end(conn *Conn) {
	conn.ended = true
	c.ended++
	if err := c.unlisten(conn); err != nil {
		c.failure = errors.Join(c.failure, err)
	}
	_ = syscall.Shutdown(conn.fd, syscall.SHUT_RDWR) // the server may have closed it before
}

// count counts the texts in received bytes.
func (c *Client) count(conn *Conn, data []byte, now uint64) {
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

// now returns the microseconds since the client began.
func (c *Client) now() uint64 { return uint64(time.Since(c.began).Microseconds()) } //nolint:gosec // positive
