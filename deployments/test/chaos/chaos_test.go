// Package chaos is the fault run: policies are sold and terminated while broker,
// databases, relay and consumers are killed, frozen and cut off. Afterwards both
// databases are compared, event by event.
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
	policies = flag.Int("policies", 300, "minimum number of policies to sell and terminate, two events each")
	rate     = flag.Float64("rate", 60, "maximum number of policies a second")
	injected = flag.Int("faults", 0, "minimum number of faults; each kind of fault is injected at least once")
	only     = flag.String("only", "", "regular expression for the names of the faults to inject; empty: all")
	queues   = flag.String("queues", "classic", "classic (one broker) or quorum (a cluster of three)")
	broken   = flag.String("break", "", "the guarantee to leave out: inbox, ack or outbox")
)

// run injects faults while policies are sold and terminated, and returns the
// comparison of both databases.
func run(t *testing.T, queues, broken, only string) result {
	t.Helper()
	s := open(t, queues, broken)
	pattern, err := regexp.Compile(only)
	if err != nil {
		t.Fatal(err)
	}
	faults := slices.DeleteFunc(s.faults(), func(f fault) bool { return !pattern.MatchString(f.name) })
	if len(faults) == 0 {
		t.Fatalf("no fault has a name that matches %q", only)
	}
	var n int
	var selling sync.WaitGroup
	defer selling.Wait()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	enough := make(chan struct{})
	selling.Go(func() { n = s.load.run(ctx, *policies, *rate, enough) })
	s.until("the first event is handled", startTimeout, func() bool { return s.flow.count() > 0 })
	for _, b := range s.brokers {
		b.Sync()
	}
	for done := 0; done < max(len(faults), *injected) || s.load.terminated() < *policies; done++ {
		s.round = done / len(faults)
		s.inject(done, faults[done%len(faults)])
	}
	close(enough)
	selling.Wait()
	s.drain(2 * n)
	r := compare(t, s.policyDB.URL(), s.paymentsDB.URL())
	if terminated := s.load.terminated(); terminated != n || r.policies != n {
		t.Errorf("got %d policies terminated and %d stored, want %d", terminated, r.policies, n)
	}
	if broken == "" && !r.complete() {
		s.logPrograms()
	}
	return r
}

// TestNoEventIsLostDuplicatedOrOutOfOrder must fail with -break, because a check
// that cannot fail proves nothing.
func TestNoEventIsLostDuplicatedOrOutOfOrder(t *testing.T) {
	r := run(t, *queues, *broken, *only)
	fmt.Fprintln(t.Output(), r)
	if !r.complete() {
		t.Errorf("events are missing, duplicated or out of order: %s", r)
	}
}

func TestBrokenGuaranteeIsDetected(t *testing.T) {
	tests := map[string]struct {
		fault string
		found func(result) bool
	}{
		"outbox": {publishersKilled, func(r result) bool { return r.lost > 0 }},
		"ack":    {consumersKilled, func(r result) bool { return r.lost > 0 }},
		"inbox":  {publishedTwice, func(r result) bool { return r.duplicated > 0 }},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // Each run waits for its own servers most of the time.
			r := run(t, "classic", name, tt.fault)
			fmt.Fprintf(t.Output(), "without %s: %s\n", name, r)
			if !tt.found(r) {
				t.Errorf("the missing guarantee is not detected: %s", r)
			}
		})
	}
}
