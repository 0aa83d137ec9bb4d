// Package chaos is the fault run: a company that sells and ends policies while
// its broker, its databases, its relay and its consumers are killed, frozen and
// cut off, and an account of it from both databases afterwards.
package chaos

import (
	"fmt"
	"strings"
	"time"

	"parley.internal/pkg/testenv"
	"parley.internal/portal/portaltest"
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
	frozen    = 6 * time.Second // longer than a heartbeat's patience is worth waiting for
	alarmed   = 4 * time.Second
	stalled   = 2 * time.Second // a database, while its consumers go on for a moment
	lossProof = 15 * time.Second
)

// faults of a company with one broker. A cluster has the fault of its leader too.
func (c *company) faults() []fault {
	all := []fault{
		{"kill -9 of the broker", func(c *company) string { return restarted(c.victim().Server) }},
		{"kill -9 of a consumer", func(c *company) string { return c.restart(c.consumers[c.turn%2]) }},
		{"kill -9 of the relay's process", func(c *company) string { return c.restart(c.sellers[c.turn%2]) }},
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

// cut resets the connections of one seller and one consumer.
func (c *company) cut() string {
	before := c.losses()
	for _, proxy := range c.proxies {
		proxy.Cut()
	}
	return c.proveLoss(before)
}

func (c *company) close() string {
	before := c.losses()
	c.victim().CloseConnections("chaos")
	return c.proveLoss(before)
}

func (c *company) losses() (n int) {
	for _, p := range append(c.sellers, c.consumers...) {
		n += p.losses()
	}
	return n
}

// proveLoss waits until somebody says that the broker was lost.
func (c *company) proveLoss(before int) string {
	c.t.Helper()
	for deadline := time.Now().Add(lossProof); time.Now().Before(deadline); portaltest.Pause(c.t.Context()) {
		if n := c.losses() - before; n > 0 {
			return fmt.Sprintf("%d connections lost", n)
		}
	}
	c.t.Error("nobody lost a connection: the fault did not happen")
	return "none"
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

// killLeader kills the node that leads the first queue.
func (c *company) killLeader() string {
	queue := "lab-payments-service-PolicyCreated"
	for line := range strings.SplitSeq(c.brokers[0].Ctl("list_queues", "--quiet", "--no-table-headers", "name", "leader"), "\n") {
		fields := strings.Fields(line)
		if len(fields) != 2 || fields[0] != queue {
			continue
		}
		for _, b := range c.brokers {
			if b.Name() == fields[1] {
				return fields[1] + " led " + queue + ": " + restarted(b.Server)
			}
		}
	}
	c.t.Error("nobody leads " + queue)
	return "none"
}
