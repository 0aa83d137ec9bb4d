// Package chaos is the fault run: a company that sells and ends policies while
// its broker, its databases, its relay and its consumers are killed, frozen and
// cut off, and an account of it from both databases afterwards.
package chaos

import (
	"context"
	"flag"
	"fmt"
	"regexp"
	"slices"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	policies = flag.Int("policies", 300, "how many policies are sold and ended at least, two events each")
	rate     = flag.Float64("rate", 60, "how many a second at most")
	harms    = flag.Int("faults", 0, "how many faults there are at least; each kind comes once anyway")
	only     = flag.String("only", "", "which kinds, by a pattern of their names; all of them if it is empty")
	queues   = flag.String("queues", "classic", "classic, one broker, or quorum, a cluster of three")
	broken   = flag.String("break", "", "a guarantee to do without: inbox, ack or outbox")
)

// run does harm while policies are sold and ended, and gives an account.
func run(t *testing.T, queues, broken, only string) ledger {
	t.Helper()
	c := open(t, queues, broken)
	pattern, err := regexp.Compile(only)
	if err != nil {
		t.Fatal(err)
	}
	faults := slices.DeleteFunc(c.faults(), func(f fault) bool { return !pattern.MatchString(f.name) })
	if len(faults) == 0 {
		t.Fatalf("no fault is named as %q", only)
	}
	var n int
	var trading sync.WaitGroup
	defer trading.Wait()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	enough := make(chan struct{})
	trading.Go(func() { n = c.shop.trade(ctx, *policies, *rate, enough) })
	c.until("the first event is handled", starting, func() bool { return c.flow.count() > 0 })
	for _, b := range c.brokers {
		b.Sync()
	}
	for done := 0; done < max(len(faults), *harms) || c.shop.answered() < *policies; done++ {
		c.turn = done / len(faults)
		c.harm(done, faults[done%len(faults)])
	}
	close(enough)
	trading.Wait()
	c.settle(2 * n)
	l := count(t, c.policyDB.URL(), c.paymentsDB.URL())
	if answered := c.shop.answered(); answered != n || l.policies != n {
		t.Errorf("%d policies were to be sold, %d were answered, %d are there", n, answered, l.policies)
	}
	return l
}

// With -break it is to fail: a check that cannot would prove nothing.
func TestNothingIsLostDoubledOrOutOfOrder(t *testing.T) {
	l := run(t, *queues, *broken, *only)
	fmt.Fprintln(t.Output(), l)
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
			fmt.Fprintf(t.Output(), "without %s: %s\n", name, l)
			if !tt.shown(l) {
				t.Errorf("nobody would notice: %s", l)
			}
		})
	}
}
