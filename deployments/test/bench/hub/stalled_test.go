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
	stalledOf  = 10 // one of so many receivers
	stalledFor = 6 * time.Second
	fillEach   = 150             // texts of each publisher, that the kernels do not hold for one who does not read
	swellEach  = 1500            // as many as a server may want to hold
	comeBack   = 3 * time.Minute // Socket.IO finds out by pings who is gone, after 45 s
)

// TestStalled is what a server does with receivers that no longer read: what the
// others notice, what it holds for the stalled, and what these get when they
// read again.
func TestStalled(t *testing.T) {
	without := newTable("ms from sending to having read, p99, everybody reads")
	with := newTable("ms from sending to having read, p99 of the others, one of ten reads nothing")
	ratio := newTable("as a multiple")
	memory := newTable("MB more than before at the peak of a flood, one of ten reads nothing")
	cut := newTable("% of the stalled were cut and came back")
	back := newTable("seconds until all stalled hear what is new, after they read again")
	each(t, *rounds, peers(), func(t *testing.T, p peer) {
		t.Helper()
		if p.name == bare || p.name == gorilla {
			return // They cut whom they would have to wait for, some who read as well.
		}
		s := open(t, p)
		n := size(1000)
		others := s.receivers(n-n/stalledOf, false)
		stalled := s.receivers(n/stalledOf, true)
		s.publish()
		s.flood(patience, swell(fillEach))
		s.arrived(nil)
		usual := s.late(nil)
		before := s.server.memory()

		s.server.forgetPeak()
		must(t, s.client.Pause(stalled))
		s.flood(patience, swell(fillEach))
		s.arrived(others)
		stalling := s.late(others)
		s.flood(2*scaled(pacedTime), swell(swellEach))
		s.arrived(others)
		memory.add(p.name, float64(max(0, s.server.peak()-before))/(1<<20))
		cuts, took := s.converge(stalled)
		s.arrived(others)

		without.add(p.name, usual)
		with.add(p.name, stalling)
		ratio.add(p.name, stalling/usual)
		cut.add(p.name, 100*float64(cuts)/float64(len(stalled)))
		back.add(p.name, took.Seconds())
	})
	for _, figures := range []*table{without, with, ratio, memory, cut, back} {
		figures.print()
	}
}

func swell(each uint64) uint64 {
	if small() {
		return each / 20
	}
	return each
}

// late is the 99th percentile in ms of paced texts to these connections.
func (s *scene) late(conns []*load.Conn) float64 {
	s.Helper()
	s.client.Record()
	s.paced(perSecond, scaled(stalledFor))
	s.arrived(conns)
	return float64(quantile(s.client.Recorded(), 0.99)) / 1000
}

// converge has the stalled read again, and those come back that were cut, until
// each has heard something new. Whoever was not cut must have got everything.
func (s *scene) converge(stalled []*load.Conn) (cuts int, took time.Duration) {
	s.Helper()
	var sent []uint64
	for _, p := range s.publishers {
		sent = append(sent, p.Sent())
	}
	ctx, cancel := context.WithTimeout(s.Context(), comeBack)
	defer cancel()
	var pace errgroup.Group
	pace.Go(func() error { return load.Pace(ctx, s.publishers, perSecond) })
	began := time.Now()
	must(s, s.client.Resume(stalled))
	now := slices.Clone(stalled)
	err := load.Until(ctx, func() bool { return s.cameBack(now, sent) })
	took = time.Since(began)
	cancel()
	must(s, pace.Wait())
	if err != nil {
		s.Fatalf("the stalled do not hear what is new: %v\n%s", err, s.server.said())
	}
	var patient []*load.Conn
	for i, conn := range stalled {
		if now[i] == conn {
			patient = append(patient, conn)
		}
	}
	if len(patient) > 0 {
		s.arrived(patient)
	}
	return len(stalled) - len(patient), took
}

// cameBack opens connections in place of those that were cut, and says whether
// everybody has heard a text that was sent after the first so many of its
// publisher.
func (s *scene) cameBack(now []*load.Conn, sent []uint64) bool {
	s.Helper()
	var cut []*load.Conn
	var at []int
	all := true
	for i, conn := range now {
		if s.client.HasEnded(conn) {
			cut, at = append(cut, conn), append(at, i)
		}
		all = all && s.client.Heard(conn, sent)
	}
	again, err := s.client.Replace(s.Context(), s.server.addr, cut)
	if err != nil {
		s.Fatalf("come back: %v", err)
	}
	for i, conn := range again {
		now[at[i]] = conn
	}
	return all && len(again) == 0
}
