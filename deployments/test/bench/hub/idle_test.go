package hub

import (
	"context"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// wait waits for a duration, or until ctx ends.
func wait(ctx context.Context, d time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	<-ctx.Done()
}

// TestIdle measures the resident memory of an idle connection.
func TestIdle(t *testing.T) {
	results := newTable("resident KB per idle connection, 5,000 connections")
	each(t, *rounds, append(peers(), service(t)), func(t *testing.T, p peer) {
		t.Helper()
		s := open(t, p)
		wait(t.Context(), *settle)
		before := s.server.memory()
		n := size(5000)
		s.receivers(n, false)
		wait(t.Context(), *settle)
		results.add(p.name, float64(s.server.memory()-before)/float64(n)/1024)
		s.profiled(p.name, "heap?gc=1", "heap-idle", func() {})
		s.requireOpen()
	})
	results.print()
}

// requireOpen fails the test if a connection has ended.
func (s *trial) requireOpen() {
	s.Helper()
	if n := s.client.Ended(); n > 0 {
		s.Errorf("%d connections were closed\n%s", n, s.server.logTail())
	}
	must(s, s.client.Failure())
}

// TestHeld holds ten thousand connections. Like the protocols' own clients, they
// answer pings, and those of SignalR also send pings.
func TestHeld(t *testing.T) {
	idle := newTable(fmt.Sprintf("%% of a core for 10,000 idle connections, held %s", *hold))
	memory := newTable("resident MB with 10,000 connections, at the end")
	each(t, 1, append(peers(), service(t)), func(t *testing.T, p peer) {
		t.Helper()
		s := open(t, p)
		s.receivers(size(10_000), false)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		var pings errgroup.Group
		pings.Go(func() error { return s.client.Ping(ctx) })
		wait(t.Context(), *settle)
		began := time.Now()
		_, cpu := s.cost(func() { wait(t.Context(), *hold) })
		idle.add(p.name, 100*cpu.Seconds()/time.Since(began).Seconds())
		memory.add(p.name, float64(s.server.memory())/(1<<20))
		stop()
		must(t, pings.Wait())
		s.requireOpen()
	})
	idle.print()
	memory.print()
}
