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
	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
	"parley.internal/pkg/outbox"
	"parley.internal/pkg/testenv"
	"parley.internal/policy"
	"parley.internal/policy/cache"
	"parley.internal/policy/expression"
	"parley.internal/policy/rest"
	"parley.internal/policy/store"
)

// silent sells without telling anybody.
type silent struct{ *store.Store }

func (s silent) Buy(
	ctx context.Context, tx *database.Tx, viewer policy.Viewer, number string,
	buy func(*policy.Offer) (*policy.Policy, []event.Event, error),
) error {
	return s.Store.Buy(ctx, tx, viewer, number, func(o *policy.Offer) (*policy.Policy, []event.Event, error) {
		p, _, err := buy(o)
		return p, nil, err
	})
}

// TestPurchase compares purchases that tell of themselves with purchases that
// do not, one after the other: POST /api/policies with a key, from the request
// to the answer, on databases that keep what they have committed. Nobody
// relays meanwhile.
func TestPurchase(t *testing.T) {
	figures := newTable("purchases/s")
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
		handler := func(offers rest.Offers) http.Handler {
			return (&rest.API{
				Contract: obeyed, Products: products, Offers: offers, Policies: s, Requests: s,
				Now: func() time.Time { return time.Now().UTC().Truncate(time.Microsecond) },
			}).Handler()
		}
		slog.SetDefault(slog.New(slog.DiscardHandler))
		purchases(t, figures, kind, handler(s), handler(silent{s}))
	}
	figures.print("Purchase over REST", "SQLite, without")
	figures.print("Purchase over REST", "PostgreSQL, without")
}

func purchases(t *testing.T, figures *table, kind string, telling, silent http.Handler) {
	t.Helper()
	n := scaled(1_000)
	for round := range *rounds + 1 {
		fmt.Printf("%s, round %d\n", kind, round)
		var with, without time.Duration
		for i := range n {
			with += purchase(t, telling, fmt.Sprintf("t-%d-%d", round, i))
			without += purchase(t, silent, fmt.Sprintf("s-%d-%d", round, i))
		}
		if round == 0 {
			continue // It made connections and plans.
		}
		figures.add(kind+", without", rate(n, without))
		figures.add(kind+", with its outbox row", rate(n, with))
	}
}

// purchase has an offer made, and measures buying it.
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
		tb.Fatalf("%s answers %d %s", path, w.Code, w.Body)
	}
	must(tb, json.Unmarshal(w.Body.Bytes(), answer))
}
