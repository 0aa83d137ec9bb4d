package chaos

import (
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"parley.internal/pkg/testenv"
	"parley.internal/portal/portaltest"
)

const (
	between  = time.Second     // of calm, between two faults
	settling = 2 * time.Minute // for all to arrive when the faults are over
	starting = 20 * time.Second
)

// company is what is run: two sellers on one database, two consumers on
// another, and brokers between them.
type company struct {
	t                    *testing.T
	broken               string
	turn                 int // counts the rounds of faults
	brokers              []*testenv.Broker
	proxies              []*testenv.Proxy // before each broker, for one seller and one consumer
	policyDB, paymentsDB *testenv.PostgresServer
	sellers, consumers   []*program
	shop                 *shop
	flow                 *flow
}

func open(t *testing.T, queues, broken string) *company {
	t.Helper()
	if !slices.Contains([]string{"classic", "quorum"}, queues) || !slices.Contains([]string{"", "inbox", "ack", "outbox"}, broken) {
		t.Fatalf("-queues %q -break %q: one of them is unknown", queues, broken)
	}
	folder := build(t)
	c := &company{t: t, broken: broken, flow: &flow{}, policyDB: testenv.StartPostgres(t), paymentsDB: testenv.StartPostgres(t)}
	if queues == "quorum" {
		c.brokers = testenv.StartCluster(t, 3)
	} else {
		c.brokers = []*testenv.Broker{testenv.StartRabbitMQ(t)}
	}
	var straight, proxied []string
	for _, b := range c.brokers {
		address, err := url.Parse(b.URL())
		if err != nil {
			t.Fatal(err)
		}
		straight = append(straight, address.String())
		proxy := testenv.StartProxy(t, address.Host)
		c.proxies = append(c.proxies, proxy)
		address.Host = proxy.Addr()
		proxied = append(proxied, address.String())
	}
	var urls []string
	for _, brokers := range [][]string{straight, proxied} {
		broker := "RABBITMQ_URL=" + strings.Join(brokers, ",")
		consumer := "paymentsd"
		if broken == "inbox" || broken == "ack" {
			consumer = "broken"
		}
		payments := newProgram(t, filepath.Join(folder, consumer), c.flow, broker, "EVENTS_QUEUE_TYPE="+queues,
			"PAYMENTS_DATABASE_URL="+c.paymentsDB.URL(), "PAYMENTS_ADDR="+address(t), "PAYMENTS_BREAK="+broken)
		c.consumers = append(c.consumers, payments)
		payments.start()
		at := address(t)
		urls = append(urls, "http://"+at)
		policyd := newProgram(t, filepath.Join(folder, "policyd"), nil, broker, "EVENTS_QUEUE_TYPE="+queues,
			"POLICY_DATABASE_URL="+c.policyDB.URL(), "POLICY_ADDR="+at, "AUTH_SECRET="+secret)
		c.sellers = append(c.sellers, policyd)
		policyd.start()
	}
	c.shop = newShop(t, urls...)
	return c
}

// wait lets time pass.
func (c *company) wait(d time.Duration) {
	select {
	case <-time.After(d):
	case <-c.t.Context().Done():
	}
}

// forget is what a service without an outbox does when it dies. The rows stay
// for the account, as what was to be told.
func (c *company) forget() {
	execute(c.t, c.policyDB.URL(), "UPDATE outbox_event SET state = 'sent', sent_at = 1 WHERE state = 'pending'")
}

// settle waits until all events are handled, or nothing moves any more.
func (c *company) settle(events int) {
	c.t.Helper()
	quiet := 45 * time.Second // What waits for a predecessor waits for half a minute.
	if c.broken != "" {
		quiet = 10 * time.Second
	}
	last, changed := -1, time.Now()
	c.until("nothing moves any more", settling, func() bool {
		if n := c.flow.count(); n != last {
			last, changed = n, time.Now()
		}
		// A moment more, for what should not come.
		return time.Since(changed) > quiet || last >= events && time.Since(changed) > 2*time.Second
	})
}

// harm does a fault, waits until events flow again, and tells about it.
func (c *company) harm(n int, f fault) {
	c.t.Helper()
	begun := time.Now()
	proof := f.harm(c)
	undone := time.Now()
	before := c.flow.count()
	c.until("events flow again after "+f.name, settling, func() bool { return c.flow.count() > before })
	back := time.Since(undone)
	c.wait(between)
	fmt.Fprintf(c.t.Output(), "%3d  %-40s flow stopped %6.2fs; undone after %5.2fs, flowing %5.2fs later  %s\n", n+1, f.name,
		c.flow.stopped(begun, time.Now()).Seconds(), undone.Sub(begun).Seconds(), back.Seconds(), proof)
}

func (c *company) until(what string, patience time.Duration, so func() bool) (took time.Duration) {
	c.t.Helper()
	begun := time.Now()
	for !so() {
		if time.Since(begun) > patience {
			for _, p := range slices.Concat(c.sellers, c.consumers) {
				c.t.Logf("%s:\n%s", p.path, p.end())
			}
			c.t.Fatalf("%s: not within %s; %d policies answered, %s", what, patience, c.shop.answered(), c.flow)
		}
		portaltest.Pause(c.t.Context())
	}
	return time.Since(begun)
}
