package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"parley.internal/policy"
)

// The rows of an event that a sale, or a termination, tells once. What else it
// tells is another test's business.
const (
	sale        = "outbox_event WHERE type = 'PolicyCreated'"
	termination = "outbox_event WHERE type = 'PolicyTerminated'"
)

func readBack(t *testing.T, f *fixture) {
	f.offer(t, "O-1")
	want, err := f.buy(t.Context(), jimmy, "O-1", "P-1", start)
	must(t, err)
	got, err := f.Policy(t.Context(), jimmy, "P-1")
	must(t, err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("bought (-want +got):\n%s", diff)
	}

	last := want.Versions[0].Cover.To // the terminal version's validity is empty
	must(t, f.terminate(t.Context(), jimmy, "P-1", last))
	_, _, err = want.Terminate(last)
	must(t, err)
	if got, err = f.Policy(t.Context(), jimmy, "P-1"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("terminated (-want +got):\n%s", diff)
	}
	if f.count(t, sale) != 1 || f.count(t, termination) != 1 {
		t.Errorf("recorded were %v", f.told(t))
	}
}

func refusedPurchase(t *testing.T, f *fixture) {
	f.offer(t, "O-1")
	_, err := f.buy(t.Context(), jimmy, "O-1", "P-1", start.AddDate(0, 0, 31))
	if !errors.Is(err, policy.ErrOfferExpired) {
		t.Fatalf("got error %v", err)
	}
	if f.count(t, "policy") != 0 || f.count(t, "outbox_event") != 0 {
		t.Error("something was stored")
	}
	_, err = f.buy(t.Context(), jimmy, "O-1", "P-1", start)
	must(t, err) // It is still new.
}

func concurrentBuys(t *testing.T, f *fixture) {
	const buyers = 8
	f.offer(t, "O-1")
	results := make([]error, buyers)
	var group errgroup.Group
	for i := range buyers {
		group.Go(func() error {
			_, results[i] = f.buy(t.Context(), jimmy, "O-1", fmt.Sprintf("P-%d", i), start)
			return nil
		})
	}
	must(t, group.Wait())
	won := 0
	for _, err := range results {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, policy.ErrOfferNotNew):
			t.Errorf("got error %v", err)
		}
	}
	if won != 1 || f.count(t, "policy") != 1 || f.count(t, sale) != 1 {
		t.Errorf("%d won, %d policies, %d events, want one of each", won, f.count(t, "policy"), f.count(t, sale))
	}
}

func concurrentTerminations(t *testing.T, f *fixture) {
	f.sold(t, 1)
	results := make([]error, 8)
	var group errgroup.Group
	for i := range results {
		group.Go(func() error {
			results[i] = f.terminate(t.Context(), jimmy, "P-0", policy.DateOf(start)+policy.Date(i%5))
			return nil
		})
	}
	must(t, group.Wait())
	won := 0
	for _, err := range results {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, policy.ErrPolicyTerminated):
			t.Errorf("got error %v", err)
		}
	}
	if won != 1 || f.count(t, "policy_version") != 2 || f.count(t, termination) != 1 {
		t.Errorf("%d won, %d versions, %d events, want 1, 2, 1", won, f.count(t, "policy_version"), f.count(t, termination))
	}
}

func visibility(t *testing.T, f *fixture) {
	f.offer(t, "O-1")
	ctx := t.Context()
	if _, err := f.buy(ctx, danny, "O-1", "P-1", start); !errors.Is(err, policy.ErrOfferUnknown) {
		t.Errorf("danny buys jimmy's offer: error %v", err)
	}
	if _, err := f.buy(ctx, jimmy, "O-2", "P-1", start); !errors.Is(err, policy.ErrOfferUnknown) {
		t.Errorf("an offer that is none: error %v", err)
	}
	bought, err := f.buy(ctx, admin, "O-1", "P-1", start)
	must(t, err)
	if bought.AgentLogin != jimmy.Login {
		t.Errorf("an admin bought jimmy's offer for %s", bought.AgentLogin)
	}
	for _, number := range []string{"P-1", "P-2"} {
		if p, err := f.Policy(ctx, danny, number); !errors.Is(err, policy.ErrPolicyUnknown) || p != nil {
			t.Errorf("danny reads %s: got %v, error %v", number, p, err)
		}
		if err := f.terminate(ctx, danny, number, policy.DateOf(start)); !errors.Is(err, policy.ErrPolicyUnknown) {
			t.Errorf("danny terminates %s: error %v", number, err)
		}
	}
	for viewer, want := range map[policy.Viewer]int{jimmy: 1, danny: 0, admin: 1} {
		policies, err := f.Policies(ctx, viewer, nobody, 10)
		must(t, err)
		if len(policies) != want {
			t.Errorf("%s sees %d policies, want %d", viewer.Login, len(policies), want)
		}
	}
	must(t, f.terminate(ctx, admin, "P-1", policy.DateOf(start)))
}

func paging(t *testing.T, f *fixture) {
	const n = 7
	want := f.sold(t, n)
	slices.Reverse(want)
	for _, viewer := range []policy.Viewer{jimmy, admin} {
		var got []string
		var after policy.Position
		for range n {
			page, err := f.Policies(t.Context(), viewer, after, 2)
			must(t, err)
			if len(page) == 0 {
				break
			}
			for _, p := range page {
				got = append(got, p.Number)
				if len(p.Versions) != 1 || len(p.Versions[0].Covers) != 2 {
					t.Errorf("policy %s is listed with versions %v", p.Number, p.Versions)
				}
			}
			last := page[len(page)-1]
			after = policy.Position{CreatedAt: last.CreatedAt, Number: last.Number}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("policies (-want +got):\n%s", diff)
		}
	}
}

func together(t *testing.T, f *fixture) {
	f.offer(t, "O-1")
	broken := errors.New("the reply cannot be made")
	r := request("a", "body")
	_, _, err := f.Once(t.Context(), r, selling(f, "O-1", "P-1", broken))
	if !errors.Is(err, broken) {
		t.Fatalf("got error %v", err)
	}
	if f.count(t, "policy") != 0 || f.count(t, "outbox_event") != 0 || f.count(t, "idempotency_key") != 0 {
		t.Error("something of what failed was stored")
	}
	_, _, err = f.Once(t.Context(), r, selling(f, "O-1", "P-2", nil))
	must(t, err)
	if f.count(t, "policy") != 1 || f.count(t, sale) != 1 || f.count(t, "idempotency_key") != 1 {
		t.Error("something of what was done is missing")
	}
}
