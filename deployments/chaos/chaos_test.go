package chaos

import (
	"context"
	"flag"
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

var (
	policies = flag.Int("policies", 300, "how many policies are sold and ended at least, two events each")
	rate     = flag.Float64("rate", 60, "how many a second at most")
	harms    = flag.Int("faults", 0, "how many faults there are at least; each kind comes once anyway")
	queues   = flag.String("queues", "classic", "classic, one broker, or quorum, a cluster of three")
	broken   = flag.String("break", "", "a guarantee to do without: inbox, ack or outbox")
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
		payments := newProgram(t, filepath.Join(folder, "payments"), c.flow, broker, "EVENTS_QUEUE_TYPE="+queues,
			"PAYMENTS_DATABASE_URL="+c.paymentsDB.URL(), "PAYMENTS_BREAK="+map[string]string{"inbox": "inbox", "ack": "ack"}[broken])
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

// run does harm while policies are sold and ended, and gives an account.
func run(t *testing.T, queues, broken string, only ...string) ledger {
	t.Helper()
	c := open(t, queues, broken)
	faults := c.faults()
	if len(only) > 0 {
		faults = slices.DeleteFunc(faults, func(f fault) bool { return !slices.Contains(only, f.name) })
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	enough, sold := make(chan struct{}), make(chan int, 1)
	go func() { sold <- c.shop.trade(ctx, *policies, *rate, enough) }()
	c.until("the first event is handled", starting, func() bool { return c.flow.count() > 0 })
	for _, b := range c.brokers {
		b.Sync()
	}
	for n := 0; n < max(len(faults), *harms) || c.shop.answered() < *policies; n++ {
		c.turn = n / len(faults)
		c.harm(n, faults[n%len(faults)])
	}
	close(enough)
	n := <-sold
	c.settle(2 * n)
	l := count(t, c.policyDB.URL(), c.paymentsDB.URL())
	if answered := c.shop.answered(); answered != n || l.policies != n {
		t.Errorf("%d policies were to be sold, %d were answered, %d are there", n, answered, l.policies)
	}
	return l
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
	fmt.Printf("%3d  %-40s flow stopped %6.2fs; undone after %5.2fs, flowing %5.2fs later  %s\n", n+1, f.name,
		c.flow.stopped(begun, time.Now()).Seconds(), undone.Sub(begun).Seconds(), back.Seconds(), proof)
}

func (c *company) until(what string, patience time.Duration, so func() bool) (took time.Duration) {
	c.t.Helper()
	begun := time.Now()
	for !so() {
		if time.Since(begun) > patience {
			for _, p := range append(c.sellers, c.consumers...) {
				c.t.Logf("%s:\n%s", p.path, p.end())
			}
			c.t.Fatalf("%s: not within %s; %d policies answered, %s", what, patience, c.shop.answered(), c.flow)
		}
		portaltest.Pause(c.t.Context())
	}
	return time.Since(begun)
}

// With -break it is to fail: a check that cannot would prove nothing.
func TestNothingIsLostDoubledOrOutOfOrder(t *testing.T) {
	l := run(t, *queues, *broken)
	fmt.Println(l)
	if !l.whole() {
		t.Errorf("not whole: %s", l)
	}
}

func TestABrokenGuaranteeIsNoticed(t *testing.T) {
	tests := map[string]struct {
		fault string
		shown func(ledger) bool
	}{
		"outbox": {killedSelling, func(l ledger) bool { return l.lost > 0 }},
		"ack":    {killedHandling, func(l ledger) bool { return l.lost > 0 }},
		"inbox":  {toldAgain, func(l ledger) bool { return l.doubled > 0 }},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			l := run(t, "classic", name, tt.fault)
			fmt.Printf("without %s: %s\n", name, l)
			if !tt.shown(l) {
				t.Errorf("nobody would notice: %s", l)
			}
		})
	}
}
