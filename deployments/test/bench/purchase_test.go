package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"parley.internal/api"
	"parley.internal/pkg/auth"
	"parley.internal/pkg/contract"
	"parley.internal/pkg/event"
	"parley.internal/pkg/outbox"
	"parley.internal/pkg/testenv"
	"parley.internal/policy"
	"parley.internal/policy/cache"
	"parley.internal/policy/expression"
	"parley.internal/policy/rest"
	"parley.internal/policy/store"
)

// eventless is a store whose purchases write no outbox rows.
type eventless struct{ *store.Store }

func (s eventless) Do(ctx context.Context, key policy.IdempotencyKey, fn func(policy.Tx) (policy.Response, error)) (policy.Response, bool, error) {
	return s.Store.Do(ctx, key, func(tx policy.Tx) (policy.Response, error) { return fn(eventlessTx{tx}) })
}

type eventlessTx struct{ policy.Tx }

func (tx eventlessTx) Buy(
	ctx context.Context, agent policy.Agent, number string, buy func(*policy.Offer) (*policy.Policy, []event.Event, error),
) error {
	return tx.Tx.Buy(ctx, agent, number, func(o *policy.Offer) (*policy.Policy, []event.Event, error) {
		p, _, err := buy(o)
		return p, nil, err
	})
}

// TestPurchase compares purchases with and without an outbox row, alternating:
// POST /api/policies with an idempotency key, from request to response, on
// databases with durable commits. No relay runs meanwhile.
func TestPurchase(t *testing.T) {
	results := newTable("purchases/s")
	for _, kind := range []string{"SQLite", "PostgreSQL"} {
		url := "sqlite:" + t.TempDir() + "/bench.db"
		if kind == "PostgreSQL" {
			url = testenv.StartPostgres(t).URL()
		}
		db := service(t, url)
		must(t, store.Migrate(t.Context(), db))
		s := store.New(db, outbox.New(db, "policy", slog.New(slog.DiscardHandler)), func() {})
		catalogue, err := policy.Standard()
		must(t, err)
		must(t, s.Seed(t.Context(), catalogue))
		products := cache.New(s.Catalogue, func(p *policy.Product, t policy.Tariff) (policy.Pricer, error) {
			return expression.Compile(p, t)
		})
		obeyed, err := contract.Open(api.Files, "openapi/policy.yaml")
		must(t, err)
		handler := func(s rest.Store) http.Handler {
			return (&rest.API{
				Contract: obeyed, Products: products, Store: s,
				Now: func() time.Time { return time.Now().UTC().Truncate(time.Microsecond) },
			}).Handler()
		}
		slog.SetDefault(slog.New(slog.DiscardHandler))
		purchases(t, results, kind, handler(s), handler(eventless{s}))
	}
	results.print("Purchase over REST", "SQLite, without")
	results.print("Purchase over REST", "PostgreSQL, without")
}

func purchases(t *testing.T, results *table, kind string, with, without http.Handler) {
	t.Helper()
	n := scaled(1_000)
	for round := range *rounds + 1 {
		fmt.Printf("%s, round %d\n", kind, round)
		var withEvent, withoutEvent time.Duration
		for i := range n {
			withEvent += purchase(t, with, fmt.Sprintf("t-%d-%d", round, i))
			withoutEvent += purchase(t, without, fmt.Sprintf("s-%d-%d", round, i))
		}
		if round == 0 {
			continue // Warm-up of connections and query plans.
		}
		results.add(kind+", without", rate(n, withoutEvent))
		results.add(kind+", with its outbox row", rate(n, withEvent))
	}
}

// purchase creates an offer and measures its purchase.
func purchase(tb testing.TB, h http.Handler, key string) time.Duration {
	tb.Helper()
	var offer struct{ OfferNumber string }
	from := time.Now().UTC()
	post(tb, h, "/api/offers", "", map[string]any{
		"productCode": "CAR", "policyFrom": from.Format(time.DateOnly), "policyTo": from.AddDate(0, 1, 0).Format(time.DateOnly),
		"selectedCovers": []string{"C1"},
		"answers":        []map[string]any{{"questionCode": "NUM_OF_CLAIM", "questionType": "Numeric", "answer": 0}},
	}, &offer)
	begun := time.Now()
	post(tb, h, "/api/policies", key, map[string]any{
		"offerNumber":         offer.OfferNumber,
		"policyHolder":        map[string]string{"firstName": "Anna", "lastName": "Kowalska", "taxId": "81020304056"},
		"policyHolderAddress": map[string]string{"country": "PL", "zipCode": "00-001", "city": "Warszawa", "street": "Prosta 1"},
	}, &struct{}{})
	return time.Since(begun)
}

func post(tb testing.TB, h http.Handler, path, key string, body, answer any) {
	tb.Helper()
	data, err := json.Marshal(body)
	must(tb, err)
	jimmy := auth.Identity{Agent: auth.Agent{Login: "jimmy.solid", Roles: []string{auth.Salesman}}}
	r := httptest.NewRequestWithContext(auth.NewContext(tb.Context(), jimmy), http.MethodPost, path, bytes.NewReader(data))
	r.Header.Set("Content-Type", "application/json")
	if key != "" {
		r.Header.Set("Idempotency-Key", key)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusCreated {
		tb.Fatalf("POST %s: status %d %s", path, w.Code, w.Body)
	}
	must(tb, json.Unmarshal(w.Body.Bytes(), answer))
}
