package testenv

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
)

// Proxy passes TCP connections on to an address, and breaks them when told to.
// Its methods may be called at any time from any goroutine.
type Proxy struct {
	listener net.Listener
	ctx      context.Context //nolint:containedctx // It ends all that the proxy waits for.
	running  sync.WaitGroup

	mu      sync.Mutex
	target  string
	open    chan struct{} // closed while the proxy passes things on
	blocked bool
	conns   map[*net.TCPConn]bool
}

// StartProxy starts a proxy in front of an address (host:port) on a port of its
// own. It is gone when the test has ended.
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
		_ = listener.Close() // Only a second time fails.
		p.Cut()
		p.running.Wait()
	})
	return p
}

// Addr is where it listens, as host:port.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Retarget has connections that come from now on lead to another address. Those
// that exist stay as they are; Cut ends them.
func (p *Proxy) Retarget(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
}

// Cut resets all connections on both sides. What was under way is lost.
func (p *Proxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		reset(conn)
	}
}

// Block has nothing pass any more in either direction, as a network does that
// loses all packets: connections stay open, and new ones lead nowhere.
func (p *Proxy) Block() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.blocked {
		p.blocked = true
		p.open = make(chan struct{})
	}
}

// Unblock lets everything pass again, first of all what was held back.
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
			return // It is closed.
		}
		p.running.Go(func() { p.connect(conn.(*net.TCPConn)) }) //nolint:forcetypeassert // The listener is TCP's.
	}
}

// connect passes a connection on to the target until both sides have ended it.
func (p *Proxy) connect(client *net.TCPConn) {
	defer p.forget(client)
	if !p.keep(client) || !p.pass() {
		return
	}
	p.mu.Lock()
	target := p.target
	p.mu.Unlock()
	conn, err := (&net.Dialer{}).DialContext(p.ctx, "tcp", target)
	if err != nil {
		_ = client.SetLinger(0) // Nobody is there.
		return
	}
	server := conn.(*net.TCPConn) //nolint:forcetypeassert // It was dialled so.
	defer p.forget(server)
	if !p.keep(server) {
		return
	}
	var back sync.WaitGroup
	back.Go(func() { p.copy(client, server) })
	p.copy(server, client)
	back.Wait()
}

// copy passes on what src says, and then that it has ended.
func (p *Proxy) copy(dst, src *net.TCPConn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := src.Read(buffer)
		if !p.pass() {
			return
		}
		if _, err := dst.Write(buffer[:n]); err != nil {
			reset(src)
			return
		}
		switch {
		case errors.Is(err, io.EOF):
			_ = dst.CloseWrite() // It fails if dst is gone too.
			return
		case err != nil:
			reset(dst)
			return
		}
	}
}

// pass waits while the proxy is blocked. It reports false when that has ended
// without being unblocked.
func (p *Proxy) pass() bool {
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

// keep has Cut find the connection, unless the proxy has ended.
func (p *Proxy) keep(conn *net.TCPConn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[conn] = true
	return p.ctx.Err() == nil
}

func (p *Proxy) forget(conn *net.TCPConn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, conn)
	_ = conn.Close() // It may have been cut.
}

// reset ends a connection so that the other side sees an error, not an end. It
// may have ended before.
func reset(conn *net.TCPConn) {
	_ = conn.SetLinger(0)
	_ = conn.Close()
}
