package testenv

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
)

// Proxy forwards TCP connections to a target and simulates network faults. All
// methods are safe for concurrent use.
type Proxy struct {
	listener net.Listener
	ctx      context.Context //nolint:containedctx // Cancels every wait of the proxy.
	running  sync.WaitGroup

	mu      sync.Mutex
	target  string
	open    chan struct{} // closed unless the proxy is blocked
	blocked bool
	conns   map[*net.TCPConn]bool
}

// StartProxy starts a proxy for a target (host:port) on a free port. The proxy stops
// when the test ends.
func StartProxy(tb testing.TB, target string) *Proxy {
	tb.Helper()
	listener, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	must(tb, err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(tb.Context()))
	p := &Proxy{
		listener: listener, ctx: ctx, target: target,
		open: make(chan struct{}), conns: make(map[*net.TCPConn]bool),
	}
	close(p.open)
	p.running.Go(p.serve)
	tb.Cleanup(func() {
		cancel()
		_ = listener.Close() // fails only if already closed
		p.Cut()
		p.running.Wait()
	})
	return p
}

// Addr returns the address of the proxy, host:port.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Retarget forwards new connections to another target. Existing connections stay;
// Cut resets them.
func (p *Proxy) Retarget(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
}

// Cut resets all connections on both sides. Data in flight is lost.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		reset(conn)
	}
}

// Block stops all traffic in both directions, like a network that loses every
// packet: connections stay open, new connections get no response.
func (p *Proxy) Block() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.blocked {
		p.blocked = true
		p.open = make(chan struct{})
	}
}

// Unblock resumes traffic, withheld data first.
func (p *Proxy) Unblock() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.blocked {
		p.blocked = false
		close(p.open)
	}
}

func (p *Proxy) serve() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		p.running.Go(func() { p.connect(conn.(*net.TCPConn)) }) //nolint:forcetypeassert // A TCP listener.
	}
}

// connect forwards a connection until both sides have closed it.
func (p *Proxy) connect(client *net.TCPConn) {
	defer p.forget(client)
	if !p.register(client) || !p.waitUnblocked() {
		return
	}
	p.mu.Lock()
	target := p.target
	p.mu.Unlock()
	conn, err := (&net.Dialer{}).DialContext(p.ctx, "tcp", target)
	if err != nil {
		_ = client.SetLinger(0) // reset: the target refuses connections
		return
	}
	server := conn.(*net.TCPConn) //nolint:forcetypeassert // Dialled over TCP.
	defer p.forget(server)
	if !p.register(server) {
		return
	}
	var replies sync.WaitGroup
	replies.Go(func() { p.copy(client, server) })
	p.copy(server, client)
	replies.Wait()
}

// copy forwards all bytes of src to dst, then the end or the reset.
func (p *Proxy) copy(dst, src *net.TCPConn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := src.Read(buffer)
		if !p.waitUnblocked() {
			return
		}
		if _, err := dst.Write(buffer[:n]); err != nil {
			reset(src)
			return
		}
		switch {
		case errors.Is(err, io.EOF):
			_ = dst.CloseWrite() // fails if dst is closed, too
			return
		case err != nil:
			reset(dst)
			return
		}
	}
}

// waitUnblocked waits while the proxy is blocked. It returns false when the proxy
// has stopped.
func (p *Proxy) waitUnblocked() bool {
	for {
		p.mu.Lock()
		open, blocked := p.open, p.blocked
		p.mu.Unlock()
		if !blocked {
			return p.ctx.Err() == nil
		}
		select {
		case <-open:
		case <-p.ctx.Done():
			return false
		}
	}
}

// register adds a connection for Cut. It returns false when the proxy has stopped.
func (p *Proxy) register(conn *net.TCPConn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[conn] = true
	return p.ctx.Err() == nil
}

func (p *Proxy) forget(conn *net.TCPConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, conn)
	_ = conn.Close() // may already be closed
}

// reset closes a connection with a TCP reset: the peer sees an error, not an end.
func reset(conn *net.TCPConn) {
	_ = conn.SetLinger(0)
	_ = conn.Close()
}
