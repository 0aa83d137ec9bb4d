package server_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"parley.internal/api"
	"parley.internal/pkg/contract"
	"parley.internal/pkg/contract/contracttest"
	"parley.internal/policy"
)

// TestEveryResponseFitsTheContract generates valid and invalid requests: first with a
// fixed seed, by which every operation succeeds at least once, then with a random one.
func TestEveryResponseFitsTheContract(t *testing.T) {
	s := start(t)
	number, offer := s.sell(t, jimmy), s.offer(t, admin)
	token, err := s.tokens.Issue(admin, time.Now(), time.Now().Add(10*time.Minute))
	must(t, err)
	var known struct {
		Answers, PolicyHolder, PolicyHolderAddress json.RawMessage
	}
	must(t, json.Unmarshal([]byte(offerBody()), &known))
	must(t, json.Unmarshal([]byte(buyBody(offer)), &known))
	service := contracttest.Service{
		URL: s.url, Token: token, Seed: 4, Requests: 60,
		Known: map[string][]any{
			"code": {"CAR", "PET"}, "productCode": {"TRI"}, "number": {number}, "offerNumber": {offer},
			"policyFrom": {day(0)}, "policyTo": {day(5), day(400)}, "terminationDate": {day(2)},
			"selectedCovers": {[]string{"C1"}, []string{"C1", "C2"}}, "answers": {known.Answers},
			"policyHolder": {known.PolicyHolder}, "policyHolderAddress": {known.PolicyHolderAddress},
			"base": {[]policy.BaseRule{{Cover: "C1", Premium: "7"}}}, "markups": {[]policy.Markup{}}, "version": {1},
		},
	}
	seen := contracttest.Explore(t, openContract(t), service)
	for operation, status := range map[string]int{
		"listProducts": 200, "getProduct": 200, "activateProduct": 200, "getTariff": 200, "changeTariff": 200,
		"makeOffer": 201, "buyOffer": 201, "listPolicies": 200, "getPolicy": 200, "terminatePolicy": 200,
	} {
		if seen[operation][status] == 0 {
			t.Errorf("%s: no response with status %d: %v", operation, status, seen[operation])
		}
	}
	service.Seed, service.Requests = 0, 20
	contracttest.Explore(t, openContract(t), service)
}

// TestEventsFitTheContract publishes an event of each type.
func TestEventsFitTheContract(t *testing.T) {
	schemas, err := contract.Schemas(api.Files)
	must(t, err)
	s := start(t)
	number := s.sell(t, jimmy)
	s.call(t, jimmy, http.MethodPost, "/api/policies/"+number+"/termination", `{"terminationDate": "`+day(3)+`"}`)
	s.call(t, admin, http.MethodPost, "/api/products/PET/activation", "")
	s.call(t, admin, http.MethodPut, "/api/products/CAR/tariff", tariffBody("120"))
	for _, eventType := range []string{"PolicyCreated", "PolicyTerminated", "ProductActivated", "TariffChanged"} {
		m := s.events.next(t, eventType)
		if err := schemas["events/"+m.Type].Validate(m.Data); err != nil {
			t.Errorf("%s: %v in %s", m.Type, err, m.Data)
		}
	}
}
