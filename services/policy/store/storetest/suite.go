// Package storetest is the conformance suite of the store, for every database.
package storetest

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
	"parley.internal/pkg/outbox"
	"parley.internal/policy"
	"parley.internal/policy/store"
)

// Run runs the suite. url returns the address of an empty database for each test.
func Run(t *testing.T, url func(*testing.T) string) {
	t.Helper()
	tests := map[string]func(*testing.T, *fixture){
		"a bought offer becomes a policy":                 boughtOffer,
		"a failed purchase is rolled back":                failedPurchase,
		"one of several concurrent purchases succeeds":    concurrentPurchases,
		"one of several concurrent terminations succeeds": concurrentTerminations,
		"agents see their own policies, admins see all":   visibility,
		"the list is paged, newest first":                 paging,
		"seeding does not change existing products":       seeding,
		"a draft is activated and published once":         activation,
		"one of several concurrent activations succeeds":  concurrentActivations,
		"a changed tariff is stored and published":        changedTariff,
		"a rejected tariff is not stored":                 rejectedTariff,
		"one of several changes of a version succeeds":    concurrentTariffs,
		"a commit that changed the catalogue calls back":  changedCatalogue,
		"a request runs once and is replayed":             replay,
		"a failed request does not use its key":           failedRequest,
		"a key and its changes commit together":           atomicity,
		"one of several concurrent equal requests runs":   concurrentRequests,
		"expired keys are deleted":                        expiredKeys,
		"replays of a finished request run in parallel":   concurrentReplays,
		"a request without a key runs each time":          withoutKey,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { test(t, open(t, url(t))) })
	}
}

var (
	start = time.Date(2026, 11, 20, 9, 30, 0, 123456000, time.UTC)
	anna  = policy.Holder{FirstName: "Anna", LastName: "Nowak", TaxID: "78042312345"}
	home  = policy.Address{Country: "PL", ZipCode: "00-001", City: "Warszawa", Street: "Chłodna 52"}
	jimmy = policy.Agent{Login: "jimmy.solid"}
	danny = policy.Agent{Login: "danny.solid"}
	admin = policy.Agent{Login: "admin", Admin: true}
)

// fixture is a store and the database below.
type fixture struct {
	*store.Store

	db      *database.DB
	changes atomic.Int32 // callbacks after commits with a changed catalogue
}

func open(t *testing.T, url string) *fixture {
	t.Helper()
	ctx := t.Context()
	db, err := database.Open(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	must(t, outbox.Migrate(ctx, db))
	must(t, store.Migrate(ctx, db))
	f := &fixture{db: db}
	f.Store = store.New(db, outbox.New(db, "policy", slog.New(slog.DiscardHandler)), func() { f.changes.Add(1) })
	catalogue, err := policy.Standard()
	must(t, err)
	must(t, f.Seed(ctx, catalogue))
	return f
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// inTx runs fn in a transaction without an idempotency key.
func (f *fixture) inTx(ctx context.Context, fn func(policy.Tx) error) error {
	_, _, err := f.Do(ctx, policy.IdempotencyKey{}, func(tx policy.Tx) (policy.Response, error) {
		return policy.Response{}, fn(tx)
	})
	return err
}

func (f *fixture) count(t *testing.T, table string) (n int) {
	t.Helper()
	_, err := database.One(t.Context(), f.db.Reader(), "SELECT count(*) FROM "+table, nil, &n)
	must(t, err)
	return n
}

// concurrently runs fn eight times at once and returns the errors.
func concurrently(t *testing.T, fn func(i int) error) []error {
	t.Helper()
	results := make([]error, 8)
	var group errgroup.Group
	for i := range results {
		group.Go(func() error {
			results[i] = fn(i)
			return nil
		})
	}
	must(t, group.Wait())
	return results
}

// offer adds an offer of jimmy's, for 100 and 200 over five days.
func (f *fixture) offer(t *testing.T, number string) *policy.Offer {
	t.Helper()
	from := policy.DateOf(start)
	o := &policy.Offer{
		Number:      number,
		ProductCode: "TRI",
		Period:      policy.Period{From: from, To: from + 5},
		Covers:      []policy.CoverPremium{{Code: "C2", Premium: 20000}, {Code: "C1", Premium: 10000}},
		Total:       30000,
		AgentLogin:  jimmy.Login,
		CreatedAt:   start,
		Status:      policy.OfferNew,
	}
	must(t, f.inTx(t.Context(), func(tx policy.Tx) error { return tx.AddOffer(t.Context(), o) }))
	return o
}

func (f *fixture) buy(ctx context.Context, agent policy.Agent, offer, number string, at time.Time) (bought *policy.Policy, err error) {
	err = f.inTx(ctx, func(tx policy.Tx) error {
		bought, err = buyIn(ctx, tx, agent, offer, number, at)
		return err
	})
	return bought, err
}

func buyIn(
	ctx context.Context, tx policy.Tx, agent policy.Agent, offer, number string, at time.Time,
) (bought *policy.Policy, err error) {
	err = tx.Buy(ctx, agent, offer, func(o *policy.Offer) (_ *policy.Policy, events []event.Event, err error) {
		bought, events, err = o.Buy(number, anna, home, at)
		return bought, events, err
	})
	return bought, err
}

func (f *fixture) terminate(ctx context.Context, agent policy.Agent, number string, on policy.Date) error {
	return f.inTx(ctx, func(tx policy.Tx) error {
		return tx.Terminate(ctx, agent, number, func(p *policy.Policy) ([]event.Event, error) {
			_, events, err := p.Terminate(on)
			return events, err
		})
	})
}

// sell sells n policies for jimmy, two at each moment, and returns their numbers.
func (f *fixture) sell(t *testing.T, n int) []string {
	t.Helper()
	numbers := make([]string, n)
	for i := range n {
		offer := fmt.Sprintf("O-%d", i)
		numbers[i] = fmt.Sprintf("P-%d", i)
		f.offer(t, offer)
		_, err := f.buy(t.Context(), jimmy, offer, numbers[i], start.Add(time.Duration(i/2)*time.Second))
		must(t, err)
	}
	return numbers
}
