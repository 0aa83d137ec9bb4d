package hub

import (
	"context"
	"slices"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"parley.internal/bench/hub/load"
)

const (
	stalledOf        = 10 // one receiver of so many is stalled
	stalledFor       = 6 * time.Second
	fillEach         = 150             // texts of each publisher: more than the kernels buffer for a stalled receiver
	swellEach        = 1500            // texts of each publisher: more than a server should buffer
	reconnectTimeout = 3 * time.Minute // Socket.IO detects closed connections by pings, after 45 s
)

// TestStalled measures receivers that stop reading: the latency of the others,
// the server's memory, and the recovery when the stalled receivers read again.
func TestStalled(t *testing.T) {
	without := newTable("ms from sending to reading, p99, all receivers read")
	with := newTable("ms from sending to reading, p99 of the others, one of ten is stalled")
	ratio := newTable("ratio of these two")
	memory := newTable("MB more at the peak of a flood, one of ten is stalled")
	cut := newTable("% of the stalled receivers were closed and reconnected")
	back := newTable("seconds until all stalled receivers get new texts, after they read again")
	each(t, *rounds, peers(), func(t *testing.T, p peer) {
		t.Helper()
		if p.name == bare || p.name == gorilla {
			return // They close every connection whose buffer is full, also of receivers that read.
		}
		s := open(t, p)
		n := size(1000)
		others := s.receivers(n-n/stalledOf, false)
		stalled := s.receivers(n/stalledOf, true)
		s.publish()
		s.flood(deliveryTimeout, reduced(fillEach))
		s.delivered(nil)
		usual := s.latency(nil)
		before := s.server.memory()

		s.server.resetPeak()
		must(t, s.client.Pause(stalled))
		s.flood(deliveryTimeout, reduced(fillEach))
		s.delivered(others)
		stalling := s.latency(others)
		s.flood(2*scaled(pacedTime), reduced(swellEach))
		s.delivered(others)
		memory.add(p.name, float64(max(0, s.server.peak()-before))/(1<<20))
		cuts, took := s.converge(stalled)
		s.delivered(others)

		without.add(p.name, usual)
		with.add(p.name, stalling)
		ratio.add(p.name, stalling/usual)
		cut.add(p.name, 100*float64(cuts)/float64(len(stalled)))
		back.add(p.name, took.Seconds())
	})
	for _, results := range []*table{without, with, ratio, memory, cut, back} {
		results.print()
	}
}

func reduced(each uint64) uint64 {
	if small() {
		return each / 20
	}
	return each
}

// latency returns the 99th percentile in ms of paced texts to the connections.
func (s *trial) latency(conns []*load.Conn) float64 {
	s.Helper()
	s.client.Record()
	s.paced(perSecond, scaled(stalledFor))
	s.delivered(conns)
	return float64(quantile(s.client.Recorded(), 0.99)) / 1000
}

// converge lets the stalled receivers read again, and reconnects the closed ones,
// until each has received a new text. A receiver that was not closed must have
// received every text.
func (s *trial) converge(stalled []*load.Conn) (closed int, took time.Duration) {
	s.Helper()
	var sent []uint64
	for _, p := range s.publishers {
		sent = append(sent, p.Sent())
	}
	ctx, cancel := context.WithTimeout(s.Context(), reconnectTimeout)
	defer cancel()
	var pace errgroup.Group
	pace.Go(func() error { return load.Pace(ctx, s.publishers, perSecond) })
	began := time.Now()
	must(s, s.client.Resume(stalled))
	now := slices.Clone(stalled)
	err := load.Until(ctx, func() bool { return s.recovered(now, sent) })
	took = time.Since(began)
	cancel()
	must(s, pace.Wait())
	if err != nil {
		s.Fatalf("stalled receivers get no new texts: %v\n%s", err, s.server.logTail())
	}
	var kept []*load.Conn
	for i, conn := range stalled {
		if now[i] == conn {
			kept = append(kept, conn)
		}
	}
	if len(kept) > 0 {
		s.delivered(kept)
	}
	return len(stalled) - len(kept), took
}

// recovered replaces closed connections, and reports whether each connection has
// received a text beyond the given number of its publisher's texts.
func (s *trial) recovered(now []*load.Conn, sent []uint64) bool {
	s.Helper()
	var closed []*load.Conn
	var at []int
	all := true
	for i, conn := range now {
		if s.client.HasEnded(conn) {
			closed, at = append(closed, conn), append(at, i)
		}
		all = all && s.client.Received(conn, sent)
	}
	replaced, err := s.client.Replace(s.Context(), s.server.addr, closed)
	if err != nil {
		s.Fatalf("reconnect: %v", err)
	}
	for i, conn := range replaced {
		now[at[i]] = conn
	}
	return all && len(replaced) == 0
}
