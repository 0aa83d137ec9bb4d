package chaos

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// leader returns the index of the publisher whose relay holds the lease, and of
// the other publisher.
func (s *system) leader() (leader, other int) {
	s.t.Helper()
	s.until("a relay acquires the lease", startTimeout, func() bool {
		first, second := s.publishers[0].leaderSince(), s.publishers[1].leaderSince()
		if second.After(first) { // The last relay that logged its lease is the leader.
			leader, other = 1, 0
		} else {
			leader, other = 0, 1
		}
		return !s.publishers[leader].leaderSince().IsZero()
	})
	return leader, other
}

// takeOver waits until a publisher's relay acquires the lease.
func (s *system) takeOver(publisher int, since time.Time) string {
	s.t.Helper()
	p := s.publishers[publisher]
	s.until("the other relay acquires the lease", startTimeout, func() bool { return p.leaderSince().After(since) })
	return fmt.Sprintf("pid %d became leader after %.2fs", p.pid(), p.leaderSince().Sub(since).Seconds())
}

func (s *system) killRelay() string {
	leader, other := s.leader()
	p := s.publishers[leader]
	before, since := p.pid(), time.Now()
	p.kill()
	successor := s.takeOver(other, since)
	p.start()
	return fmt.Sprintf("leader pid %d, restarted as %d; %s", before, p.pid(), successor)
}

// freezeRelay stops the leader until well after the other relay acquired the
// lease. The old leader then continues in the middle of a batch, without knowing
// that it lost the lease.
func (s *system) freezeRelay() string {
	leader, other := s.leader()
	p := s.publishers[leader]
	since := time.Now()
	p.freeze()
	s.until("the leader is frozen", startTimeout, p.frozen)
	s.load.exclude(leader)
	successor := s.takeOver(other, since)
	before := s.flow.count()
	s.wait(freezeTime - time.Since(since))
	handled := s.flow.count() - before
	if !p.frozen() || handled == 0 {
		s.t.Errorf("leader frozen to the end: %t; events handled meanwhile: %d", p.frozen(), handled)
	}
	p.thaw()
	noticed := s.until("the old leader knows of its lost lease", startTimeout, func() bool { return s.isFollower(leader) })
	s.load.include(leader)
	return fmt.Sprintf("leader pid %d in state T for %s; %s, %d events handled meanwhile; lost lease noticed after %.2fs",
		p.pid(), freezeTime, successor, handled, noticed.Seconds())
}

// isFollower reports whether the metrics of a publisher show that its relay does
// not hold the lease.
func (s *system) isFollower(publisher int) bool {
	a, err := s.load.client(s.load.targets[publisher]).Do(s.t.Context(), http.MethodGet, "/metrics", nil)
	return err == nil && strings.Contains(string(a.Body), `parley_relay_leader{service="policy"} 0`)
}
