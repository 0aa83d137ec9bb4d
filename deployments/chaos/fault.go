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

const (
	frozen    = 6 * time.Second // longer than a heartbeat's patience is worth waiting for
	alarmed   = 4 * time.Second
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
	if c.broken == "outbox" {
		c.forget()
	}
	p.start()
	return fmt.Sprintf("pid %d, now %d", before, p.pid())
}

// cut resets the connections of one seller and one consumer.
func (c *company) cut() string {
	before := c.losses()
	c.proxy.Cut()
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
	for _, line := range strings.Split(c.brokers[0].Ctl("list_queues", "--quiet", "--no-table-headers", "name", "leader"), "\n") {
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
