package server_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"parley.internal/pkg/auth"
)

// tariffBody returns a tariff of CAR: properties in before, then a rule with a premium.
func tariffBody(premium string, before ...string) string {
	return `{` + strings.Join(before, "") + `"base": [{"cover": "C1", "premium": "` + premium + `"}], "markups": []}`
}

// price returns the price of the only cover of CAR.
func (s *service) price(t *testing.T, agent auth.Agent) string {
	t.Helper()
	body := `{"productCode": "CAR", "policyFrom": "` + day(0) + `", "policyTo": "` + day(5) + `", "selectedCovers": ["C1"],
		"answers": [{"questionCode": "NUM_OF_CLAIM", "questionType": "Numeric", "answer": 0}]}`
	var offer struct {
		TotalPrice json.Number
	}
	s.call(t, agent, http.MethodPost, "/api/offers", body).read(t, http.StatusCreated, &offer)
	return offer.TotalPrice.String()
}

func TestDraftIsActivatedOnce(t *testing.T) {
	s := start(t)
	if got := s.call(t, jimmy, http.MethodGet, "/api/products/PET", ""); got.status != http.StatusNotFound {
		t.Fatalf("before the activation: got %d %s, want status 404", got.status, got.body)
	}
	first := s.call(t, admin, http.MethodPost, "/api/products/PET/activation", "", key, "k1")
	again := s.call(t, admin, http.MethodPost, "/api/products/PET/activation", "", key, "k1")
	if first.status != http.StatusOK || first.body != again.body || again.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("got %d %s, then %d %s, want a replay", first.status, first.body, again.status, again.body)
	}
	shown := s.call(t, jimmy, http.MethodGet, "/api/products/PET", "")
	if shown.status != http.StatusOK || shown.body != first.body || !strings.Contains(shown.body, `"status":"active"`) {
		t.Errorf("read as %d %s, activated as %s", shown.status, shown.body, first.body)
	}
	published := s.events.next(t, "ProductActivated")
	if published.PartitionKey != "PET" || first.header.Get("Parley-Events") != published.ID {
		t.Errorf("got event %s of partition %s, header Parley-Events %q", published.Type, published.PartitionKey, first.header.Get("Parley-Events"))
	}
	equal(t, `{"productCode": "PET", "productName": "Happy Pet"}`, string(published.Data))
}

func TestTariffChangeTakesEffectAtOnce(t *testing.T) {
	s := start(t)
	const path = "/api/products/CAR/tariff"
	old := s.call(t, admin, http.MethodGet, path, "")
	if old.status != http.StatusOK || !strings.Contains(old.body, `"version":1`) {
		t.Fatalf("got %d %s", old.status, old.body)
	}
	if got := s.price(t, jimmy); got != "100.00" {
		t.Errorf("before the change: got price %s, want 100.00", got)
	}
	changed := s.call(t, admin, http.MethodPut, path, tariffBody("120", `"version": 1,`))
	if changed.status != http.StatusOK {
		t.Fatalf("got %d %s", changed.status, changed.body)
	}
	equal(t, `{"productCode": "CAR", "version": 2, "base": [{"cover": "C1", "premium": "120"}], "markups": []}`, changed.body)
	if got := s.call(t, admin, http.MethodGet, path, ""); got.body != changed.body {
		t.Errorf("got tariff %s, want the changed one", got.body)
	}
	if got := s.price(t, jimmy); got != "120.00" {
		t.Errorf("after the change: got price %s, want 120.00", got)
	}
	published := s.events.next(t, "TariffChanged")
	if published.PartitionKey != "CAR" || changed.header.Get("Parley-Events") != published.ID {
		t.Errorf("got event %s of partition %s, header Parley-Events %q", published.Type, published.PartitionKey, changed.header.Get("Parley-Events"))
	}
	equal(t, `{"productCode": "CAR"}`, string(published.Data))
}

func TestOfferKeepsItsPrice(t *testing.T) {
	s := start(t)
	offer := s.offer(t, jimmy)
	body := `{"markups": [], "base": [{"cover": "C1", "premium": "1"}, {"cover": "C2", "premium": "1"}, {"cover": "C3", "premium": "1"}]}`
	if got := s.call(t, admin, http.MethodPut, "/api/products/TRI/tariff", body); got.status != http.StatusOK {
		t.Fatalf("got %d %s", got.status, got.body)
	}
	bought := s.call(t, jimmy, http.MethodPost, "/api/policies", buyBody(offer))
	got := s.call(t, jimmy, http.MethodGet, bought.header.Get("Location"), "")
	if !strings.Contains(got.body, `"totalPremium":98.00`) {
		t.Errorf("got policy %s, want totalPremium 98.00", got.body)
	}
}

func TestOneOfConcurrentTariffChangesSucceeds(t *testing.T) {
	s := start(t)
	answers := make([]answer, 8)
	var group errgroup.Group
	for i := range answers {
		group.Go(func() error {
			answers[i] = s.call(t, admin, http.MethodPut, "/api/products/CAR/tariff", tariffBody("120", `"version": 1,`))
			return nil
		})
	}
	must(t, group.Wait())
	succeeded := 0
	for _, got := range answers {
		if got.status == http.StatusOK {
			succeeded++
		} else if p := got.problem(t); p.Status != http.StatusConflict || p.Code != "tariff-conflict" {
			t.Errorf("other change: got %v, want tariff-conflict", p)
		}
	}
	if rows := s.rows(t); succeeded != 1 || rows["outbox_event"] != 1 {
		t.Errorf("%d changes succeeded, want 1; rows %v", succeeded, rows)
	}
}
