package storetest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"parley.internal/pkg/database"
	"parley.internal/policy"
)

var sold = policy.Reply{Status: 201, Location: "/api/policies/P-1", Body: []byte("{}\n")}

func request(key, body string) policy.Request {
	return policy.Request{
		AgentLogin: jimmy.Login, Method: "POST", Path: "/api/policies", Key: key, Digest: sha256.Sum256([]byte(body)),
	}
}

// selling buys an offer and then ends with err.
func selling(f *fixture, offer, number string, err error) func(context.Context, *database.Tx) (policy.Reply, error) {
	return func(ctx context.Context, tx *database.Tx) (policy.Reply, error) {
		if _, err := f.buyIn(ctx, tx, jimmy, offer, number, start); err != nil {
			return policy.Reply{}, err
		}
		return sold, err
	}
}

func once(t *testing.T, f *fixture) {
	done := 0
	do := func(context.Context, *database.Tx) (policy.Reply, error) {
		done++
		return sold, nil
	}
	for i := range 3 {
		reply, replayed, err := f.Once(t.Context(), request("a", "body"), do)
		must(t, err)
		if diff := cmp.Diff(sold, reply); diff != "" || replayed != (i > 0) || done != 1 {
			t.Errorf("time %d: replayed %t, done %d times (-want +got):\n%s", i+1, replayed, done, diff)
		}
	}
	if _, _, err := f.Once(t.Context(), request("a", "another body"), do); !errors.Is(err, policy.ErrKeyReused) {
		t.Errorf("another body: error %v", err)
	}
	others := map[string]func(*policy.Request){
		"another agent":  func(r *policy.Request) { r.AgentLogin = danny.Login },
		"another method": func(r *policy.Request) { r.Method = "PUT" },
		"another path":   func(r *policy.Request) { r.Path = "/api/offers" },
		"another key":    func(r *policy.Request) { r.Key = "b" },
	}
	for name, change := range others {
		done = 0
		r := request("a", "body")
		change(&r)
		if _, replayed, err := f.Once(t.Context(), r, do); err != nil || replayed || done != 1 {
			t.Errorf("%s: done %d times, replayed %t, error %v", name, done, replayed, err)
		}
	}
}

func failed(t *testing.T, f *fixture) {
	for range 2 {
		_, _, err := f.Once(t.Context(), request("a", "body"), func(context.Context, *database.Tx) (policy.Reply, error) {
			return policy.Reply{}, policy.ErrOfferUnknown
		})
		if !errors.Is(err, policy.ErrOfferUnknown) {
			t.Fatalf("got error %v", err)
		}
	}
	// Mended, the body differs: the key was not used.
	_, _, err := f.Once(t.Context(), request("a", "mended"), func(context.Context, *database.Tx) (policy.Reply, error) { return sold, nil })
	must(t, err)
}

func concurrentRequests(t *testing.T, f *fixture) {
	const clients = 8
	f.offer(t, "O-1")
	var group errgroup.Group
	var done atomic.Int32
	var answered atomic.Int32
	for i := range clients {
		group.Go(func() error {
			reply, _, err := f.Once(t.Context(), request("a", "body"), func(ctx context.Context, tx *database.Tx) (policy.Reply, error) {
				done.Add(1)
				return selling(f, "O-1", fmt.Sprintf("P-%d", i), nil)(ctx, tx)
			})
			switch {
			case errors.Is(err, policy.ErrKeyInFlight):
				return nil
			case err != nil:
				return err
			}
			answered.Add(1)
			if diff := cmp.Diff(sold, reply); diff != "" {
				return fmt.Errorf("reply (-want +got):\n%s", diff)
			}
			return nil
		})
	}
	must(t, group.Wait())
	if done.Load() != 1 || answered.Load() < 1 || f.count(t, "policy") != 1 {
		t.Errorf("done %d times, answered %d, %d policies", done.Load(), answered.Load(), f.count(t, "policy"))
	}
	// One that is under way is told so.
	_, _, err := f.Once(t.Context(), request("b", "body"), func(context.Context, *database.Tx) (policy.Reply, error) {
		_, _, err := f.Once(t.Context(), request("b", "body"), selling(f, "O-1", "P-X", nil))
		return policy.Reply{}, err
	})
	if !errors.Is(err, policy.ErrKeyInFlight) {
		t.Errorf("in flight: error %v", err)
	}
}

func forgotten(t *testing.T, f *fixture) {
	reply := func(context.Context, *database.Tx) (policy.Reply, error) { return sold, nil }
	_, _, err := f.Once(t.Context(), request("0", ""), reply)
	must(t, err)
	must(t, f.db.InTx(t.Context(), func(tx *database.Tx) error {
		for i := range 1499 { // with the first one more than a chunk
			_, err := tx.ExecContext(t.Context(), `
				INSERT INTO idempotency_key (agent_login, method, path, key, digest, status, location, body, created_at)
				SELECT agent_login, method, path, CAST($1 AS text), digest, status, location, body, CAST($2 AS bigint)
				FROM idempotency_key WHERE key = '0'`, fmt.Sprint(i+1), database.Instant(start))
			if err != nil {
				return err
			}
		}
		return nil
	}))

	must(t, f.ForgetKeys(t.Context(), start.Add(7*24*time.Hour)))
	if n := f.count(t, "idempotency_key"); n != 1500 {
		t.Errorf("%d keys are left after seven days, want 1500", n)
	}
	must(t, f.ForgetKeys(t.Context(), start.Add(7*24*time.Hour+time.Microsecond)))
	if n := f.count(t, "idempotency_key"); n != 1 {
		t.Errorf("%d keys are left after more, want 1", n)
	}
}

func (f *fixture) exec(t *testing.T, query string, args ...any) {
	t.Helper()
	must(t, f.db.InTx(t.Context(), func(tx *database.Tx) error {
		_, err := tx.ExecContext(t.Context(), query, args...)
		return err
	}))
}
