package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"
)

const key = "Idempotency-Key"

func TestRequestWithKeyTakesEffectOnce(t *testing.T) {
	s := start(t)
	offer := s.call(t, jimmy, http.MethodPost, "/api/offers", offerBody(), key, "k1")
	number := numberIn(t, offer.body)
	policy := s.call(t, jimmy, http.MethodPost, "/api/policies", buyBody(number), key, "k1") // keys of different paths are different
	end := "/api/policies/" + numberIn(t, policy.body) + "/termination"
	body := `{"terminationDate": "` + day(3) + `"}`
	ended := s.call(t, jimmy, http.MethodPost, end, body, key, "k1")
	before := s.rows(t)

	for name, calls := range map[string][2]answer{
		"offer":       {offer, s.call(t, jimmy, http.MethodPost, "/api/offers", offerBody(), key, "k1")},
		"purchase":    {policy, s.call(t, jimmy, http.MethodPost, "/api/policies", buyBody(number), key, "k1")},
		"termination": {ended, s.call(t, jimmy, http.MethodPost, end, body, key, "k1")},
	} {
		first, again := calls[0], calls[1]
		if first.header.Get("Idempotency-Replayed") != "" || again.header.Get("Idempotency-Replayed") != "true" {
			t.Errorf("%s: replayed %q, then %q", name, first.header.Get("Idempotency-Replayed"), again.header.Get("Idempotency-Replayed"))
		}
		if first.status != again.status || first.body != again.body || first.header.Get("Location") != again.header.Get("Location") {
			t.Errorf("%s: got %v, then %v", name, first, again)
		}
	}
	if diff := cmp.Diff(before, s.rows(t)); diff != "" {
		t.Errorf("a replay changed rows (-before +after):\n%s", diff)
	}
}

func numberIn(t *testing.T, body string) string {
	t.Helper()
	_, after, _ := strings.Cut(body, `Number":"`)
	number, _, ok := strings.Cut(after, `"`)
	if !ok {
		t.Fatalf("no number in %s", body)
	}
	return number
}

func TestKeyBelongsToOneAgentAndBody(t *testing.T) {
	s := start(t)
	s.call(t, jimmy, http.MethodPost, "/api/offers", offerBody(), key, "k1")
	got := s.call(t, jimmy, http.MethodPost, "/api/offers", offerBody()+" ", key, "k1").problem(t)
	if got.Status != http.StatusUnprocessableEntity || got.Code != "idempotency-key-reused" {
		t.Errorf("another body: got %v, want idempotency-key-reused", got)
	}
	if got := s.call(t, danny, http.MethodPost, "/api/offers", offerBody(), key, "k1"); got.status != http.StatusCreated ||
		got.header.Get("Idempotency-Replayed") != "" {
		t.Errorf("another agent: got %v, want a new response", got)
	}
}

func TestFailedRequestDoesNotUseItsKey(t *testing.T) {
	s := start(t)
	offer := s.offer(t, jimmy)
	invalid := strings.Replace(buyBody(offer), `"Anna"`, `" "`, 1)
	for range 2 {
		if got := s.call(t, jimmy, http.MethodPost, "/api/policies", invalid, key, "k1").problem(t); got.Code != "text-invalid" {
			t.Errorf("got %v, want text-invalid", got)
		}
	}
	if got := s.call(t, jimmy, http.MethodPost, "/api/policies", buyBody(offer), key, "k1"); got.status != http.StatusCreated {
		t.Errorf("corrected body: got %v, want status 201", got)
	}
}

func TestConcurrentCopiesTakeEffectOnce(t *testing.T) {
	const copies = 10
	s := start(t)
	offer := s.offer(t, jimmy)
	answers := make([]answer, copies)
	var group errgroup.Group
	for i := range copies {
		group.Go(func() error {
			answers[i] = s.call(t, jimmy, http.MethodPost, "/api/policies", buyBody(offer), key, "k1")
			return nil
		})
	}
	must(t, group.Wait())
	body := ""
	for _, got := range answers {
		switch got.status {
		case http.StatusCreated:
			if body != "" && got.body != body {
				t.Errorf("got bodies %s and %s, want the same", body, got.body)
			}
			body = got.body
		default:
			if p := got.problem(t); p.Status != http.StatusConflict || p.Code != "idempotency-key-in-flight" {
				t.Errorf("got %v, want idempotency-key-in-flight", p)
			}
		}
	}
	if rows := s.rows(t); body == "" || rows["policy"] != 1 || rows[saleEvents] != 1 {
		t.Errorf("got body %q and rows %v, want one policy and one event", body, rows)
	}
}
