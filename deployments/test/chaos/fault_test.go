package chaos

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"parley.internal/pkg/testenv"
)

// fault is a harm that is done and undone. It proves that it happened, in words.
type fault struct {
	name string
	harm func(c *company) (proof string)
}

// Faults that show what a guarantee is for.
const (
	killedSelling  = "sellers killed, the broker frozen"
	killedHandling = "consumers killed, their database frozen"
	toldAgain      = "what was sent is told again"
)

const (
	frozen    = 6 * time.Second // longer than the broker's heartbeat, and than relays wait for their leader
	alarmed   = 4 * time.Second
	stalled   = 2 * time.Second // a database, while its consumers go on for a moment
	lossProof = 15 * time.Second
)

// faults of a company with one broker. A cluster has the fault of its leader too.
func (c *company) faults() []fault {
	all := []fault{
		{"kill -9 of the broker", func(c *company) string { return restarted(c.victim().Server) }},
		{"kill -9 of a consumer", func(c *company) string { return c.restart(c.consumers[c.turn%2]) }},
		{"kill -9 of the leading relay", (*company).killRelay},
		{"leading relay frozen", (*company).freezeRelay},
		{"TCP to the broker cut", (*company).cut},
		{"kill -9 of the consumer's database", func(c *company) string { return restarted(c.paymentsDB.Server) }},
		{"kill -9 of the seller's database", func(c *company) string { return restarted(c.policyDB.Server) }},
		{"broker frozen", (*company).freeze},
		{"memory alarm", (*company).alarm},
		{"broker closes all connections", (*company).close},
		{killedSelling, (*company).killSellers},
		{killedHandling, (*company).killConsumers},
		{toldAgain, (*company).tellAgain},
	}
	if len(c.brokers) > 1 {
		all = append(all, fault{"kill -9 of the queue's leader", (*company).killLeader})
	}
	return all
}

// victim is the broker whose turn it is.
func (c *company) victim() *testenv.Broker { return c.brokers[c.turn%len(c.brokers)] }

func restarted(s *testenv.Server) string {
	before := s.PID()
	s.Kill()
	s.Start()
	return fmt.Sprintf("pid %d, now %d", before, s.PID())
}

func (c *company) restart(p *program) string {
	before := p.pid()
	p.kill()
	p.start()
	return fmt.Sprintf("pid %d, now %d", before, p.pid())
}

// cut resets the connections of those that reach the broker through a proxy.
func (c *company) cut() string {
	behind := []*program{c.sellers[1], c.consumers[1]}
	c.until("there is something to cut", starting, func() bool { return behind[0].connected() && behind[1].connected() })
	return c.proveLoss(behind, len(behind), func() {
		for _, proxy := range c.proxies {
			proxy.Cut()
		}
	})
}

func (c *company) close() string {
	return c.proveLoss(slices.Concat(c.sellers, c.consumers), 1, func() { c.victim().CloseConnections("chaos") })
}

// proveLoss waits until at least so many programs say that they lost the broker.
func (c *company) proveLoss(programs []*program, least int, harm func()) string {
	c.t.Helper()
	before := make([]int, len(programs))
	for i, p := range programs {
		before[i] = p.losses()
	}
	harm()
	var connections, losers int
	c.until("a lost connection is noticed", lossProof, func() bool {
		connections, losers = 0, 0
		for i, p := range programs {
			if n := p.losses() - before[i]; n > 0 {
				connections += n
				losers++
			}
		}
		return losers >= least
	})
	return fmt.Sprintf("%d connections lost by %d programs", connections, losers)
}

// freeze has the broker stand still; Freeze returns when the system says so.
func (c *company) freeze() string {
	b := c.victim()
	b.Freeze()
	c.wait(frozen)
	b.Thaw()
	return fmt.Sprintf("pid %d stopped for %s", b.PID(), frozen)
}

// killSellers kills both sellers when they have something that they could not
// tell.
func (c *company) killSellers() string {
	b := c.victim()
	b.Freeze()
	unsent := c.until("something is sold that the broker does not take", starting, func() bool {
		return one(c.t, c.policyDB.URL(), "SELECT count(*) FROM outbox_event WHERE state = 'pending'") >= 10
	})
	before := []int{c.sellers[0].pid(), c.sellers[1].pid()}
	for _, p := range c.sellers {
		p.kill()
	}
	if c.broken == "outbox" {
		c.forget()
	}
	b.Thaw()
	for _, p := range c.sellers {
		p.start()
	}
	return fmt.Sprintf("pids %d, now %d and %d, after %s", before, c.sellers[0].pid(), c.sellers[1].pid(), unsent)
}

// killConsumers kills both consumers when they have something in hand that
// they could not store.
func (c *company) killConsumers() string {
	c.paymentsDB.Freeze()
	c.wait(stalled)
	before := []int{c.consumers[0].pid(), c.consumers[1].pid()}
	for _, p := range c.consumers {
		p.kill()
	}
	c.paymentsDB.Thaw()
	for _, p := range c.consumers {
		p.start()
	}
	return fmt.Sprintf("pids %d, now %d and %d", before, c.consumers[0].pid(), c.consumers[1].pid())
}

// tellAgain has the relay publish what it has published: so it does by itself
// when it is killed between a confirm and its note of it.
func (c *company) tellAgain() string {
	n := execute(c.t, c.policyDB.URL(), `UPDATE outbox_event SET state = 'pending', sent_at = 0
		WHERE id IN (SELECT id FROM outbox_event WHERE state = 'sent' ORDER BY sent_at DESC LIMIT 2000)`)
	if n == 0 {
		c.t.Error("nothing was sent that could be told again")
	}
	return fmt.Sprintf("%d events", n)
}

func (c *company) alarm() string {
	b := c.victim()
	b.MemoryAlarm(true)
	alarms := b.Ctl("eval", "rabbit_alarm:get_alarms().")
	c.wait(alarmed)
	b.MemoryAlarm(false)
	if !strings.Contains(alarms, "memory") {
		c.t.Errorf("no alarm: %s", alarms)
	}
	return fmt.Sprintf("%s for %s", strings.Join(strings.Fields(alarms), " "), alarmed)
}

const watched = "lab-payments-service-PolicyCreated"

// killLeader kills the node that leads a queue.
func (c *company) killLeader() string {
	b := c.queueLeader()
	if b == nil {
		c.t.Error("nobody leads " + watched)
		return "none"
	}
	proof := restarted(b.Server)
	now := b
	c.until("another node leads "+watched, starting, func() bool {
		now = c.queueLeader()
		return now != nil && now != b
	})
	return fmt.Sprintf("%s led %s: %s; now %s does", b.Name(), watched, proof, now.Name())
}

func (c *company) queueLeader() *testenv.Broker {
	queues := c.brokers[0].Ctl("list_queues", "--quiet", "--no-table-headers", "name", "leader")
	for line := range strings.SplitSeq(queues, "\n") {
		queue, leader, _ := strings.Cut(strings.TrimSpace(line), "\t")
		if queue != watched {
			continue
		}
		i := slices.IndexFunc(c.brokers, func(b *testenv.Broker) bool { return b.Name() == leader })
		if i >= 0 {
			return c.brokers[i]
		}
	}
	return nil
}
