package server_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"parley.internal/pkg/auth"
)

// tariffBody is a tariff of CAR with a premium, and whatever comes before it.
func tariffBody(premium string, before ...string) string {
	return `{` + strings.Join(before, "") + `"base": [{"cover": "C1", "premium": "` + premium + `"}], "markups": []}`
}

// price is what CAR's only cover costs.
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

func TestADraftIsActivatedAndSold(t *testing.T) {
	s := start(t)
	if got := s.call(t, jimmy, http.MethodGet, "/api/products/PET", ""); got.status != http.StatusNotFound {
		t.Fatalf("before: %d %s", got.status, got.body)
	}
	first := s.call(t, admin, http.MethodPost, "/api/products/PET/activation", "", key, "k1")
	again := s.call(t, admin, http.MethodPost, "/api/products/PET/activation", "", key, "k1")
	if first.status != http.StatusOK || first.body != again.body || again.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("answered %d %s, then %d %s", first.status, first.body, again.status, again.body)
	}
	shown := s.call(t, jimmy, http.MethodGet, "/api/products/PET", "")
	if shown.status != http.StatusOK || shown.body != first.body || !strings.Contains(shown.body, `"status":"active"`) {
		t.Errorf("shown as %d %s, answered was %s", shown.status, shown.body, first.body)
	}
	told := s.events.next(t, "ProductActivated")
	if told.PartitionKey != "PET" || first.header.Get("Parley-Events") != told.ID {
		t.Errorf("told %s of %s, header %q", told.Type, told.PartitionKey, first.header.Get("Parley-Events"))
	}
	equal(t, `{"productCode": "PET", "productName": "Happy Pet"}`, string(told.Data))
}

func TestATariffIsChangedAndPricesAtOnce(t *testing.T) {
	s := start(t)
	const path = "/api/products/CAR/tariff"
	old := s.call(t, admin, http.MethodGet, path, "")
	if old.status != http.StatusOK || !strings.Contains(old.body, `"version":1`) {
		t.Fatalf("got %d %s", old.status, old.body)
	}
	if got := s.price(t, jimmy); got != "100.00" {
		t.Errorf("before: %s", got)
	}
	changed := s.call(t, admin, http.MethodPut, path, tariffBody("120", `"version": 1,`))
	if changed.status != http.StatusOK {
		t.Fatalf("got %d %s", changed.status, changed.body)
	}
	equal(t, `{"productCode": "CAR", "version": 2, "base": [{"cover": "C1", "premium": "120"}], "markups": []}`, changed.body)
	if got := s.call(t, admin, http.MethodGet, path, ""); got.body != changed.body {
		t.Errorf("read as %s", got.body)
	}
	if got := s.price(t, jimmy); got != "120.00" {
		t.Errorf("after: %s", got)
	}
	told := s.events.next(t, "TariffChanged")
	if told.PartitionKey != "CAR" || changed.header.Get("Parley-Events") != told.ID {
		t.Errorf("told %s of %s, header %q", told.Type, told.PartitionKey, changed.header.Get("Parley-Events"))
	}
	equal(t, `{"productCode": "CAR"}`, string(told.Data))
}

func TestAnOfferKeepsItsPrice(t *testing.T) {
	s := start(t)
	offer := s.offer(t, jimmy)
	body := `{"markups": [], "base": [{"cover": "C1", "premium": "1"}, {"cover": "C2", "premium": "1"}, {"cover": "C3", "premium": "1"}]}`
	if got := s.call(t, admin, http.MethodPut, "/api/products/TRI/tariff", body); got.status != http.StatusOK {
		t.Fatalf("got %d %s", got.status, got.body)
	}
	bought := s.call(t, jimmy, http.MethodPost, "/api/policies", buyBody(offer))
	got := s.call(t, jimmy, http.MethodGet, bought.header.Get("Location"), "")
	if !strings.Contains(got.body, `"totalPremium":98.00`) {
		t.Errorf("the policy is %s", got.body)
	}
}

func TestOfConcurrentChangesOfOneVersionOneWins(t *testing.T) {
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
	won := 0
	for _, got := range answers {
		if got.status == http.StatusOK {
			won++
		} else if p := got.problem(t); p.Status != http.StatusConflict || p.Code != "tariff-conflict" {
			t.Errorf("a loser gets %v", p)
		}
	}
	if rows := s.rows(t); won != 1 || rows["outbox_event"] != 1 {
		t.Errorf("%d won, stored %v", won, rows)
	}
}
