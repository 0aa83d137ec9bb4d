// Package storetest is the conformance suite of store: the promises that it
// keeps on every database.
package storetest

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
	"parley.internal/pkg/outbox"
	"parley.internal/policy"
	"parley.internal/policy/expression"
	"parley.internal/policy/store"
)

// Run runs the suite. URL names an empty database for each test.
func Run(t *testing.T, url func(*testing.T) string) {
	t.Helper()
	tests := map[string]func(*testing.T, *fixture){
		"a bought offer is read back as its policy":     readBack,
		"a refused purchase leaves nothing":             refusedPurchase,
		"of two concurrent buys exactly one wins":       concurrentBuys,
		"of two concurrent terminations one wins":       concurrentTerminations,
		"an agent sees their own, an admin everything":  visibility,
		"the list is paged, newest first, no one twice": paging,
		"products that are there are left as they are":  seeding,
		"a draft is activated, and told about, once":    activation,
		"of two concurrent activations one wins":        concurrentActivations,
		"a tariff that changed is told about":           changedTariff,
		"a tariff that was refused stays as it was":     refusedTariff,
		"of two changes of one version one wins":        concurrentTariffs,
		"a catalogue that changed is told here at once": changedCatalogue,
		"a request is done once and replayed":           once,
		"what failed is not kept":                       failed,
		"a key and what it did commit together":         together,
		"of concurrent requests one is done":            concurrentRequests,
		"old keys are forgotten, all of them":           forgotten,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { test(t, open(t, url(t))) })
	}
}

var (
	start  = time.Date(2026, 11, 20, 9, 30, 0, 123456000, time.UTC)
	anna   = policy.Holder{FirstName: "Anna", LastName: "Nowak", TaxID: "78042312345"}
	home   = policy.Address{Country: "PL", ZipCode: "00-001", City: "Warszawa", Street: "Chłodna 52"}
	jimmy  = policy.Viewer{Login: "jimmy.solid"}
	danny  = policy.Viewer{Login: "danny.solid"}
	admin  = policy.Viewer{Login: "admin", SeesAll: true}
	nobody = policy.Position{}
)

// fixture is a store, and the database behind it.
type fixture struct {
	*store.Store

	db      *database.DB
	changes atomic.Int32 // of the catalogue, as the store told
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

func compile(p *policy.Product, t policy.Tariff) (policy.Pricer, error) {
	return expression.Compile(p, t)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) count(t *testing.T, table string) (n int) {
	t.Helper()
	_, err := database.One(t.Context(), f.db.Reader(), "SELECT count(*) FROM "+table, nil, &n)
	must(t, err)
	return n
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
	must(t, f.AddOffer(t.Context(), nil, o))
	return o
}

func (f *fixture) buy(ctx context.Context, viewer policy.Viewer, offer, number string, at time.Time) (*policy.Policy, error) {
	return f.buyIn(ctx, nil, viewer, offer, number, at)
}

func (f *fixture) buyIn(
	ctx context.Context, tx *database.Tx, viewer policy.Viewer, offer, number string, at time.Time,
) (*policy.Policy, error) {
	var bought *policy.Policy
	err := f.Buy(ctx, tx, viewer, offer, func(o *policy.Offer) (*policy.Policy, []event.Event, error) {
		p, events, err := o.Buy(number, anna, home, at)
		bought = p
		return p, events, err
	})
	return bought, err
}

func (f *fixture) terminate(ctx context.Context, viewer policy.Viewer, number string, on policy.Date) error {
	return f.Terminate(ctx, nil, viewer, number, func(p *policy.Policy) ([]event.Event, error) {
		_, events, err := p.Terminate(on)
		return events, err
	})
}

// sold is n policies of jimmy's, two of them at each moment.
func (f *fixture) sold(t *testing.T, n int) []string {
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
