package chaos

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// leader is the seller whose relay publishes for both, and the other one.
func (c *company) leader() (leads, other int) {
	c.t.Helper()
	c.until("a relay leads", starting, func() bool {
		first, second := c.sellers[0].leads(), c.sellers[1].leads()
		if second.After(first) { // The last one that said so.
			leads, other = 1, 0
		} else {
			leads, other = 0, 1
		}
		return !c.sellers[leads].leads().IsZero()
	})
	return leads, other
}

// takeOver waits until the other seller's relay leads.
func (c *company) takeOver(other int, since time.Time) string {
	c.t.Helper()
	c.until("the other relay leads", starting, func() bool { return c.sellers[other].leads().After(since) })
	return fmt.Sprintf("pid %d leads %.2fs later", c.sellers[other].pid(), c.sellers[other].leads().Sub(since).Seconds())
}

func (c *company) killRelay() string {
	leads, other := c.leader()
	p := c.sellers[leads]
	before, since := p.pid(), time.Now()
	p.kill()
	successor := c.takeOver(other, since)
	p.start()
	return fmt.Sprintf("pid %d led, now %d; %s", before, p.pid(), successor)
}

// freezeRelay has the leader stand still until well after the other one leads.
// It then goes on in the middle of what it did, and believes that it leads.
func (c *company) freezeRelay() string {
	leads, other := c.leader()
	p := c.sellers[leads]
	since := time.Now()
	p.freeze()
	c.until("the leader stands still", starting, p.stopped)
	c.shop.avoid(leads)
	successor := c.takeOver(other, since)
	before := c.flow.count()
	c.wait(frozen - time.Since(since))
	if !p.stopped() || c.flow.count() == before {
		c.t.Errorf("stood still to its end: %t; handled meanwhile: %d", p.stopped(), c.flow.count()-before)
	}
	handled := c.flow.count() - before
	p.thaw()
	gaveWay := c.until("it knows that it leads no more", starting, func() bool { return c.follows(leads) })
	c.shop.visit(leads)
	return fmt.Sprintf("pid %d led, in state T for %s; %s, %d events handled meanwhile; it gave way after %.2fs",
		p.pid(), frozen, successor, handled, gaveWay.Seconds())
}

// follows reports whether a seller says that its relay does not lead.
func (c *company) follows(n int) bool {
	a, err := c.shop.client(c.shop.counters[n]).Do(c.t.Context(), http.MethodGet, "/metrics", nil)
	return err == nil && strings.Contains(string(a.Body), `parley_relay_leading{service="policy"} 0`)
}
