package storetest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley.internal/pkg/database"
	"parley.internal/policy"
)

var created = policy.Response{Status: 201, Location: "/api/policies/P-1", Body: []byte("{}\n")}

func keyOf(key, body string) policy.IdempotencyKey {
	return policy.IdempotencyKey{
		AgentLogin: jimmy.Login, Method: "POST", Path: "/api/policies", Key: key, Digest: sha256.Sum256([]byte(body)),
	}
}

// counter counts the runs of a request.
type counter struct{ runs atomic.Int32 }

func (c *counter) run(policy.Tx) (policy.Response, error) {
	c.runs.Add(1)
	return created, nil
}

// purchase returns a request to buy an offer and then fail with err, if not nil.
func purchase(t *testing.T, offer, number string, err error) func(policy.Tx) (policy.Response, error) {
	return func(tx policy.Tx) (policy.Response, error) {
		if _, err := buyIn(t.Context(), tx, jimmy, offer, number, start); err != nil {
			return policy.Response{}, err
		}
		return created, err
	}
}

func replay(t *testing.T, f *fixture) {
	var c counter
	for i := range 3 {
		response, replayed, err := f.Do(t.Context(), keyOf("a", "body"), c.run)
		must(t, err)
		if diff := cmp.Diff(created, response); diff != "" || replayed != (i > 0) || c.runs.Load() != 1 {
			t.Errorf("request %d: replayed %t, %d runs, response (-want +got):\n%s", i+1, replayed, c.runs.Load(), diff)
		}
	}
	if _, _, err := f.Do(t.Context(), keyOf("a", "another body"), c.run); !errors.Is(err, policy.ErrKeyReused) {
		t.Errorf("another body: got error %v, want ErrKeyReused", err)
	}
	others := map[string]func(*policy.IdempotencyKey){
		"another agent":  func(k *policy.IdempotencyKey) { k.AgentLogin = danny.Login },
		"another method": func(k *policy.IdempotencyKey) { k.Method = "PUT" },
		"another path":   func(k *policy.IdempotencyKey) { k.Path = "/api/offers" },
		"another key":    func(k *policy.IdempotencyKey) { k.Key = "b" },
	}
	for name, change := range others {
		var c counter
		key := keyOf("a", "body")
		change(&key)
		if _, replayed, err := f.Do(t.Context(), key, c.run); err != nil || replayed || c.runs.Load() != 1 {
			t.Errorf("%s: %d runs, replayed %t, error %v", name, c.runs.Load(), replayed, err)
		}
	}
}

func withoutKey(t *testing.T, f *fixture) {
	var c counter
	for range 2 {
		if _, replayed, err := f.Do(t.Context(), keyOf("", "body"), c.run); err != nil || replayed {
			t.Errorf("got replayed %t, error %v", replayed, err)
		}
	}
	if c.runs.Load() != 2 || f.count(t, "idempotency_key") != 0 {
		t.Errorf("got %d runs and %d keys, want 2 and 0", c.runs.Load(), f.count(t, "idempotency_key"))
	}
}

func failedRequest(t *testing.T, f *fixture) {
	for range 2 {
		_, _, err := f.Do(t.Context(), keyOf("a", "body"), func(policy.Tx) (policy.Response, error) {
			return policy.Response{}, policy.ErrOfferUnknown
		})
		if !errors.Is(err, policy.ErrOfferUnknown) {
			t.Fatalf("got error %v, want ErrOfferUnknown", err)
		}
	}
	// A corrected body may have the same key.
	_, _, err := f.Do(t.Context(), keyOf("a", "corrected"), new(counter).run)
	must(t, err)
}

func atomicity(t *testing.T, f *fixture) {
	f.offer(t, "O-1")
	failure := errors.New("encode response")
	_, _, err := f.Do(t.Context(), keyOf("a", "body"), purchase(t, "O-1", "P-1", failure))
	if !errors.Is(err, failure) {
		t.Fatalf("got error %v, want %v", err, failure)
	}
	if f.count(t, "policy") != 0 || f.count(t, "outbox_event") != 0 || f.count(t, "idempotency_key") != 0 {
		t.Error("the failed request left rows")
	}
	_, _, err = f.Do(t.Context(), keyOf("a", "body"), purchase(t, "O-1", "P-2", nil))
	must(t, err)
	if f.count(t, "policy") != 1 || f.count(t, saleEvents) != 1 || f.count(t, "idempotency_key") != 1 {
		t.Error("rows of the request are missing")
	}
}

func concurrentRequests(t *testing.T, f *fixture) {
	f.offer(t, "O-1")
	var runs, answered atomic.Int32
	for _, err := range concurrently(t, func(i int) error {
		response, _, err := f.Do(t.Context(), keyOf("a", "body"), func(tx policy.Tx) (policy.Response, error) {
			runs.Add(1)
			return purchase(t, "O-1", fmt.Sprintf("P-%d", i), nil)(tx)
		})
		if diff := cmp.Diff(created, response); err == nil && diff != "" {
			t.Errorf("response (-want +got):\n%s", diff)
		}
		return err
	}) {
		if err == nil {
			answered.Add(1)
		} else if !errors.Is(err, policy.ErrKeyInFlight) {
			t.Error(err)
		}
	}
	if runs.Load() != 1 || answered.Load() < 1 || f.count(t, "policy") != 1 {
		t.Errorf("got %d runs, %d responses, %d policies, want 1, at least 1, 1", runs.Load(), answered.Load(), f.count(t, "policy"))
	}
	// The key of an unfinished request is rejected.
	_, _, err := f.Do(t.Context(), keyOf("b", "body"), func(policy.Tx) (policy.Response, error) {
		return f.mustNotRun(t, keyOf("b", "body"))
	})
	if !errors.Is(err, policy.ErrKeyInFlight) {
		t.Errorf("got error %v, want ErrKeyInFlight", err)
	}
}

// mustNotRun sends a request and fails the test if the request runs.
func (f *fixture) mustNotRun(t *testing.T, key policy.IdempotencyKey) (policy.Response, error) {
	response, _, err := f.Do(t.Context(), key, func(policy.Tx) (policy.Response, error) {
		t.Error("the request ran")
		return policy.Response{}, nil
	})
	return response, err
}

func concurrentReplays(t *testing.T, f *fixture) {
	_, _, err := f.Do(t.Context(), keyOf("a", "body"), new(counter).run)
	must(t, err)
	for _, err := range concurrently(t, func(int) error {
		response, err := f.mustNotRun(t, keyOf("a", "body"))
		if diff := cmp.Diff(created, response); diff != "" {
			t.Errorf("response (-want +got):\n%s", diff)
		}
		return err
	}) {
		must(t, err)
	}
}

func expiredKeys(t *testing.T, f *fixture) {
	_, _, err := f.Do(t.Context(), keyOf("0", ""), new(counter).run)
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

	must(t, f.DeleteExpiredKeys(t.Context(), start.Add(7*24*time.Hour)))
	if n := f.count(t, "idempotency_key"); n != 1500 {
		t.Errorf("got %d keys after exactly seven days, want 1500", n)
	}
	must(t, f.DeleteExpiredKeys(t.Context(), start.Add(7*24*time.Hour+time.Microsecond)))
	if n := f.count(t, "idempotency_key"); n != 1 {
		t.Errorf("got %d keys after more than seven days, want 1", n)
	}
}
