package chaos

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"parley.internal/pkg/testenv"
)

// fault is injected and undone. It returns a proof of its effect, for people.
type fault struct {
	name   string
	inject func(s *system) (proof string)
}

// Faults that break a system without one of the guarantees.
const (
	publishersKilled = "publishers killed, the broker frozen"
	consumersKilled  = "consumers killed, their database frozen"
	publishedTwice   = "published events are published again"
)

const (
	freezeTime  = 6 * time.Second // longer than the broker's heartbeat and the relay's lease
	alarmTime   = 4 * time.Second
	stallTime   = 2 * time.Second // of a database whose consumers still run
	lossTimeout = 15 * time.Second
)

// faults lists the faults of a system with one broker. A cluster adds the fault
// of a queue's leader.
func (s *system) faults() []fault {
	all := []fault{
		{"kill -9 of the broker", func(s *system) string { return restarted(s.broker().Server) }},
		{"kill -9 of a consumer", func(s *system) string { return restart(s.consumers[s.round%2]) }},
		{"kill -9 of the relay's leader", (*system).killRelay},
		{"leader of the relays frozen", (*system).freezeRelay},
		{"TCP to the broker cut", (*system).cut},
		{"kill -9 of the consumer's database", func(s *system) string { return restarted(s.paymentsDB.Server) }},
		{"kill -9 of the publisher's database", func(s *system) string { return restarted(s.policyDB.Server) }},
		{"broker frozen", (*system).freeze},
		{"memory alarm", (*system).alarm},
		{"broker closes all connections", (*system).close},
		{publishersKilled, (*system).killPublishers},
		{consumersKilled, (*system).killConsumers},
		{publishedTwice, (*system).publishTwice},
	}
	if len(s.brokers) > 1 {
		all = append(all, fault{"kill -9 of the queue's leader", (*system).killLeader})
	}
	return all
}

// broker returns the broker that this round's faults affect.
func (s *system) broker() *testenv.Broker { return s.brokers[s.round%len(s.brokers)] }

func restarted(s *testenv.Server) string {
	before := s.PID()
	s.Kill()
	s.Start()
	return fmt.Sprintf("pid %d, now %d", before, s.PID())
}

func restart(p *program) string {
	before := p.pid()
	p.kill()
	p.start()
	return fmt.Sprintf("pid %d, now %d", before, p.pid())
}

// cut resets the connections of the programs that reach the broker through a
// proxy.
func (s *system) cut() string {
	proxied := []*program{s.publishers[1], s.consumers[1]}
	s.until("both programs are connected", startTimeout, func() bool { return proxied[0].isConnected() && proxied[1].isConnected() })
	return s.proveLoss(proxied, len(proxied), func() {
		for _, proxy := range s.proxies {
			proxy.Cut()
		}
	})
}

func (s *system) close() string {
	return s.proveLoss(slices.Concat(s.publishers, s.consumers), 1, func() { s.broker().CloseConnections("chaos") })
}

// proveLoss injects a fault and waits until at least so many programs have
// logged a lost connection.
func (s *system) proveLoss(programs []*program, least int, inject func()) string {
	s.t.Helper()
	before := make([]int, len(programs))
	for i, p := range programs {
		before[i] = p.lostConnections()
	}
	inject()
	var connections, losers int
	s.until("a lost connection is logged", lossTimeout, func() bool {
		connections, losers = 0, 0
		for i, p := range programs {
			if n := p.lostConnections() - before[i]; n > 0 {
				connections += n
				losers++
			}
		}
		return losers >= least
	})
	return fmt.Sprintf("%d connections lost by %d programs", connections, losers)
}

func (s *system) freeze() string {
	b := s.broker()
	b.Freeze()
	s.wait(freezeTime)
	b.Thaw()
	return fmt.Sprintf("pid %d stopped for %s", b.PID(), freezeTime)
}

// killPublishers kills both publishers while events are pending. The broker still
// receives the batch that a relay sent to it while it was frozen; more events than
// in this first, small batch are pending.
func (s *system) killPublishers() string {
	b := s.broker()
	b.Freeze()
	pending := s.until("30 events are pending", startTimeout, func() bool {
		return one(s.t, s.policyDB.URL(), "SELECT count(*) FROM outbox_event WHERE state = 'pending'") >= 30
	})
	restarts := restartAll(s.publishers, func() {
		if s.broken == "outbox" {
			s.dropPending()
		}
		b.Thaw()
	})
	return fmt.Sprintf("%s, after %s", restarts, pending)
}

// killConsumers kills both consumers while they hold unacked events that their
// database does not accept.
func (s *system) killConsumers() string {
	s.paymentsDB.Freeze()
	s.wait(stallTime)
	return restartAll(s.consumers, s.paymentsDB.Thaw)
}

// restartAll kills two programs, runs between, and starts the programs again.
func restartAll(programs []*program, between func()) string {
	before := []int{programs[0].pid(), programs[1].pid()}
	for _, p := range programs {
		p.kill()
	}
	between()
	for _, p := range programs {
		p.start()
	}
	return fmt.Sprintf("pids %d, now %d and %d", before, programs[0].pid(), programs[1].pid())
}

// publishTwice makes the relay publish events again, like a relay that was
// killed between a confirm and its update of the outbox.
func (s *system) publishTwice() string {
	n := execute(s.t, s.policyDB.URL(), `UPDATE outbox_event SET state = 'pending', sent_at = 0
		WHERE id IN (SELECT id FROM outbox_event WHERE state = 'sent' ORDER BY sent_at DESC LIMIT 2000)`)
	if n == 0 {
		s.t.Error("no event was published before")
	}
	return fmt.Sprintf("%d events", n)
}

func (s *system) alarm() string {
	b := s.broker()
	b.MemoryAlarm(true)
	alarms := b.Ctl("eval", "rabbit_alarm:get_alarms().")
	s.wait(alarmTime)
	b.MemoryAlarm(false)
	if !strings.Contains(alarms, "memory") {
		s.t.Errorf("got alarms %s, want memory", alarms)
	}
	return fmt.Sprintf("%s for %s", strings.Join(strings.Fields(alarms), " "), alarmTime)
}

const watchedQueue = "lab-payments-service-PolicyCreated"

// killLeader kills the broker that leads a quorum queue.
func (s *system) killLeader() string {
	b := s.queueLeader()
	if b == nil {
		s.t.Error("queue " + watchedQueue + " has no leader")
		return "none"
	}
	proof := restarted(b.Server)
	now := b
	s.until("another broker leads "+watchedQueue, startTimeout, func() bool {
		now = s.queueLeader()
		return now != nil && now != b
	})
	return fmt.Sprintf("leader of %s was %s: %s; now %s", watchedQueue, b.Name(), proof, now.Name())
}

func (s *system) queueLeader() *testenv.Broker {
	queues := s.brokers[0].Ctl("list_queues", "--quiet", "--no-table-headers", "name", "leader")
	for line := range strings.SplitSeq(queues, "\n") {
		queue, leader, _ := strings.Cut(strings.TrimSpace(line), "\t")
		if queue != watchedQueue {
			continue
		}
		i := slices.IndexFunc(s.brokers, func(b *testenv.Broker) bool { return b.Name() == leader })
		if i >= 0 {
			return s.brokers[i]
		}
	}
	return nil
}
