package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley.internal/policy"
)

// Outbox rows of the events of a sale and a termination. Other events may be added.
const (
	saleEvents        = "outbox_event WHERE type = 'PolicyCreated'"
	terminationEvents = "outbox_event WHERE type = 'PolicyTerminated'"
)

func boughtOffer(t *testing.T, f *fixture) {
	f.offer(t, "O-1")
	want, err := f.buy(t.Context(), jimmy, "O-1", "P-1", start)
	must(t, err)
	got, err := f.Policy(t.Context(), jimmy, "P-1")
	must(t, err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("bought policy (-want +got):\n%s", diff)
	}

	last := want.Versions[0].Cover.To // the validity of the terminal version is empty
	must(t, f.terminate(t.Context(), jimmy, "P-1", last))
	_, _, err = want.Terminate(last)
	must(t, err)
	if got, err = f.Policy(t.Context(), jimmy, "P-1"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("terminated policy (-want +got):\n%s", diff)
	}
	if f.count(t, saleEvents) != 1 || f.count(t, terminationEvents) != 1 {
		t.Errorf("got events %v, want a sale and a termination", f.events(t))
	}
}

func failedPurchase(t *testing.T, f *fixture) {
	f.offer(t, "O-1")
	_, err := f.buy(t.Context(), jimmy, "O-1", "P-1", start.AddDate(0, 0, 31))
	if !errors.Is(err, policy.ErrOfferExpired) {
		t.Fatalf("got error %v, want ErrOfferExpired", err)
	}
	if f.count(t, "policy") != 0 || f.count(t, "outbox_event") != 0 {
		t.Error("the failed purchase left rows")
	}
	_, err = f.buy(t.Context(), jimmy, "O-1", "P-1", start)
	must(t, err) // The offer is still new.
}

// oneSucceeds checks for exactly one nil among the results; all others must be the
// given error.
func oneSucceeds(t *testing.T, results []error, others error) {
	t.Helper()
	succeeded := 0
	for _, err := range results {
		switch {
		case err == nil:
			succeeded++
		case !errors.Is(err, others):
			t.Errorf("got error %v, want %v", err, others)
		}
	}
	if succeeded != 1 {
		t.Errorf("%d attempts succeeded, want 1", succeeded)
	}
}

func concurrentPurchases(t *testing.T, f *fixture) {
	f.offer(t, "O-1")
	oneSucceeds(t, concurrently(t, func(i int) error {
		_, err := f.buy(t.Context(), jimmy, "O-1", fmt.Sprintf("P-%d", i), start)
		return err
	}), policy.ErrOfferNotNew)
	if policies, events := f.count(t, "policy"), f.count(t, saleEvents); policies != 1 || events != 1 {
		t.Errorf("got %d policies and %d events, want 1 and 1", policies, events)
	}
}

func concurrentTerminations(t *testing.T, f *fixture) {
	f.sell(t, 1)
	oneSucceeds(t, concurrently(t, func(i int) error {
		return f.terminate(t.Context(), jimmy, "P-0", policy.DateOf(start)+policy.Date(i%5))
	}), policy.ErrPolicyTerminated)
	if versions, events := f.count(t, "policy_version"), f.count(t, terminationEvents); versions != 2 || events != 1 {
		t.Errorf("got %d versions and %d events, want 2 and 1", versions, events)
	}
}

func visibility(t *testing.T, f *fixture) {
	f.offer(t, "O-1")
	ctx := t.Context()
	if _, err := f.buy(ctx, danny, "O-1", "P-1", start); !errors.Is(err, policy.ErrOfferUnknown) {
		t.Errorf("danny buys jimmy's offer: got error %v, want ErrOfferUnknown", err)
	}
	if _, err := f.buy(ctx, jimmy, "O-2", "P-1", start); !errors.Is(err, policy.ErrOfferUnknown) {
		t.Errorf("jimmy buys an unknown offer: got error %v, want ErrOfferUnknown", err)
	}
	bought, err := f.buy(ctx, admin, "O-1", "P-1", start)
	must(t, err)
	if bought.AgentLogin != jimmy.Login {
		t.Errorf("an admin bought jimmy's offer for %s", bought.AgentLogin)
	}
	for _, number := range []string{"P-1", "P-2"} {
		if p, err := f.Policy(ctx, danny, number); !errors.Is(err, policy.ErrPolicyUnknown) || p != nil {
			t.Errorf("danny reads %s: got %v, error %v, want ErrPolicyUnknown", number, p, err)
		}
		if err := f.terminate(ctx, danny, number, policy.DateOf(start)); !errors.Is(err, policy.ErrPolicyUnknown) {
			t.Errorf("danny terminates %s: got error %v, want ErrPolicyUnknown", number, err)
		}
	}
	for agent, want := range map[policy.Agent]int{jimmy: 1, danny: 0, admin: 1} {
		policies, err := f.Policies(ctx, agent, policy.Cursor{}, 10)
		must(t, err)
		if len(policies) != want {
			t.Errorf("%s sees %d policies, want %d", agent.Login, len(policies), want)
		}
	}
	must(t, f.terminate(ctx, admin, "P-1", policy.DateOf(start)))
}

func paging(t *testing.T, f *fixture) {
	const n = 7
	want := f.sell(t, n)
	slices.Reverse(want)
	for _, agent := range []policy.Agent{jimmy, admin} {
		var got []string
		var after policy.Cursor
		for range n {
			page, err := f.Policies(t.Context(), agent, after, 2)
			must(t, err)
			if len(page) == 0 {
				break
			}
			for _, p := range page {
				got = append(got, p.Number)
				if len(p.Versions) != 1 || len(p.Versions[0].Covers) != 2 {
					t.Errorf("policy %s: got versions %v, want 1 with 2 covers", p.Number, p.Versions)
				}
			}
			last := page[len(page)-1]
			after = policy.Cursor{CreatedAt: last.CreatedAt, Number: last.Number}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("policies of %s (-want +got):\n%s", agent.Login, diff)
		}
	}
}
