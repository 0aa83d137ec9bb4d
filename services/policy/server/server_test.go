package server_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"parley.internal/pkg/auth"
)

// equal compares JSON, after replacing placeholders in want by values of the
// response.
func equal(t *testing.T, want, got string, replace ...string) {
	t.Helper()
	want = strings.NewReplacer(replace...).Replace(want)
	var a, b any
	must(t, json.Unmarshal([]byte(want), &a))
	must(t, json.Unmarshal([]byte(got), &b))
	if diff := cmp.Diff(a, b); diff != "" {
		t.Errorf("response (-want +got):\n%s", diff)
	}
}

func TestPolicyIsSoldAndTerminated(t *testing.T) {
	s := start(t)

	made := s.call(t, jimmy, http.MethodPost, "/api/offers", offerBody())
	var offer struct{ OfferNumber string }
	made.read(t, http.StatusCreated, &offer)
	if !strings.Contains(made.body, `"totalPrice":98.00`) {
		t.Errorf("got %s, want totalPrice 98.00", made.body)
	}
	equal(t, `{"offerNumber": "OFFER", "totalPrice": 98, "coversPrices": {"C1": 26, "C2": 52, "C3": 20}}`,
		made.body, "OFFER", offer.OfferNumber)

	bought := s.call(t, jimmy, http.MethodPost, "/api/policies", buyBody(offer.OfferNumber))
	var policy struct{ PolicyNumber string }
	bought.read(t, http.StatusCreated, &policy)
	path := "/api/policies/" + policy.PolicyNumber
	if bought.header.Get("Location") != path {
		t.Errorf("got Location %s, want the path of the policy", bought.header.Get("Location"))
	}
	replace := []string{"NUMBER", policy.PolicyNumber, "DAY0", day(0), "DAY3", day(3), "DAY4", day(4), "DAY5", day(5)}

	summary := `"number": "NUMBER", "dateFrom": "DAY0", "dateTo": "DAY5", "policyHolder": "Anna Nowak",
		"totalPremium": 98, "productCode": "TRI", "status": "Active", "agentLogin": "jimmy.solid"`
	equal(t, `{"items": [{`+summary+`}], "next": null}`,
		s.call(t, jimmy, http.MethodGet, "/api/policies", "").body, replace...)
	first := `{"versionNumber": 1, "coverFrom": "DAY0", "coverTo": "DAY5", "validFrom": "DAY0", "validTo": "DAY5",
		"totalPremium": 98, "covers": [{"code": "C1", "premium": 26}, {"code": "C2", "premium": 52}, {"code": "C3", "premium": 20}]}`
	equal(t, `{"policy": {`+summary+`, "covers": ["C1", "C2", "C3"], "versions": [`+first+`]}}`,
		s.call(t, jimmy, http.MethodGet, path, "").body, replace...)

	ended := s.call(t, jimmy, http.MethodPost, path+"/termination", `{"terminationDate": "`+day(3)+`"}`)
	if ended.status != http.StatusOK {
		t.Fatalf("terminate: got status %d: %s", ended.status, ended.body)
	}
	equal(t, `{"policyNumber": "NUMBER", "moneyToReturn": 39.2}`, ended.body, replace...)
	equal(t, `{"policy": {`+strings.Replace(summary, "Active", "Terminated", 1)+`, "covers": ["C1", "C2", "C3"], "versions": [`+first+`,
		{"versionNumber": 2, "coverFrom": "DAY0", "coverTo": "DAY3", "validFrom": "DAY4", "validTo": "DAY5",
		"totalPremium": 58.8, "covers": [{"code": "C1", "premium": 15.6}, {"code": "C2", "premium": 31.2}, {"code": "C3", "premium": 12}]}]}}`,
		s.call(t, jimmy, http.MethodGet, path, "").body, replace...)

	common := `"policyNumber": "NUMBER", "productCode": "TRI", "policyFrom": "DAY0",
		"policyHolder": {"firstName": "Anna", "lastName": "Nowak", "taxId": "` + taxID + `"}, "agentLogin": "jimmy.solid"`
	last := int64(0)
	for _, want := range []struct{ kind, data string }{
		{"PolicyCreated", `{` + common + `, "policyTo": "DAY5", "totalPremium": 98}`},
		{"PolicyTerminated", `{` + common + `, "policyTo": "DAY3", "totalPremium": 58.8, "amountToReturn": 39.2}`},
	} {
		got := s.events.next(t, want.kind)
		if got.PartitionKey != policy.PolicyNumber || got.Sequence <= last {
			t.Errorf("got %s of partition %s with sequence %d", got.Type, got.PartitionKey, got.Sequence)
		}
		last = got.Sequence
		equal(t, want.data, string(got.Data), replace...)
	}
}

func TestProductsAreListedAndRead(t *testing.T) {
	s := start(t)
	codes := func(agent auth.Agent, query string) (codes []string, next *string) {
		t.Helper()
		var page struct {
			Items []struct{ Code, Status string }
			Next  *string
		}
		s.call(t, agent, http.MethodGet, "/api/products"+query, "").read(t, http.StatusOK, &page)
		for _, product := range page.Items {
			codes = append(codes, product.Code+" "+product.Status)
		}
		return codes, page.Next
	}
	got, next := codes(guest, "")
	if diff := cmp.Diff([]string{"CAR active", "FAI active", "HSI active", "TRI active"}, got); diff != "" || next != nil {
		t.Errorf("next page %v, products (-want +got):\n%s", next, diff)
	}
	got, next = codes(admin, "?limit=3")
	if diff := cmp.Diff([]string{"CAR active", "FAI active", "HSI active"}, got); diff != "" || next == nil {
		t.Fatalf("next page %v, products (-want +got):\n%s", next, diff)
	}
	got, next = codes(admin, "?limit=3&cursor="+*next)
	if diff := cmp.Diff([]string{"PET draft", "TRI active"}, got); diff != "" || next != nil {
		t.Errorf("next page %v, products (-want +got):\n%s", next, diff)
	}

	equal(t, `{"code": "CAR", "name": "Happy Driver", "image": "/products/car.svg", "icon": "car", "status": "active",
		"maxNumberOfInsured": 1,
		"description": "Help on the road: a mechanic, a tow truck and a car for the time of the repair.",
		"covers": [{"code": "C1", "name": "Assistance", "optional": false,
			"description": "Roadside repair, towing and a replacement car."}],
		"questions": [{"index": 1, "questionCode": "NUM_OF_CLAIM", "questionType": "Numeric",
			"text": "How many claims were there in the last five years?", "minimum": 0, "maximum": 1000, "integer": true}]}`,
		s.call(t, guest, http.MethodGet, "/api/products/CAR", "").body)
	if got := s.call(t, jimmy, http.MethodGet, "/api/products/PET", "").problem(t); got.Code != "product-unknown" {
		t.Errorf("a salesman reads a draft: got %v, want product-unknown", got)
	}
	if got := s.call(t, admin, http.MethodGet, "/api/products/PET", ""); got.status != http.StatusOK {
		t.Errorf("an admin reads a draft: got %v, want status 200", got)
	}
}

func TestPoliciesArePagedNewestFirst(t *testing.T) {
	s := start(t)
	var want, got []string
	for range 5 {
		want = append([]string{s.sell(t, jimmy)}, want...)
	}
	for query := "?limit=2"; ; {
		var page struct {
			Items []struct{ Number string }
			Next  *string
		}
		s.call(t, jimmy, http.MethodGet, "/api/policies"+query, "").read(t, http.StatusOK, &page)
		for _, policy := range page.Items {
			got = append(got, policy.Number)
		}
		if page.Next == nil {
			break
		}
		query = "?limit=2&cursor=" + *page.Next
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("policies (-want +got):\n%s", diff)
	}
}

func TestPolicyOfAnotherAgentIsHidden(t *testing.T) {
	s := start(t)
	number, offer := s.sell(t, jimmy), s.offer(t, jimmy)
	end := `{"terminationDate": "` + day(1) + `"}`
	before := s.rows(t)
	const none = "00000000-0000-4000-8000-000000000000"
	for name, paths := range map[string][2]answer{
		"read": {
			s.call(t, danny, http.MethodGet, "/api/policies/"+number, ""),
			s.call(t, danny, http.MethodGet, "/api/policies/"+none, ""),
		},
		"terminate": {
			s.call(t, danny, http.MethodPost, "/api/policies/"+number+"/termination", end),
			s.call(t, danny, http.MethodPost, "/api/policies/"+none+"/termination", end),
		},
		"buy": {
			s.call(t, danny, http.MethodPost, "/api/policies", buyBody(offer)),
			s.call(t, danny, http.MethodPost, "/api/policies", buyBody(none)),
		},
	} {
		if paths[0].status != http.StatusNotFound || paths[0].body != paths[1].body {
			t.Errorf("%s: another agent's gives %d %s, an unknown number gives %s", name, paths[0].status, paths[0].body, paths[1].body)
		}
	}
	if got := s.call(t, danny, http.MethodGet, "/api/policies", "").body; got != `{"items":[],"next":null}`+"\n" {
		t.Errorf("danny lists %s, want an empty page", got)
	}
	if diff := cmp.Diff(before, s.rows(t)); diff != "" {
		t.Errorf("rows changed (-before +after):\n%s", diff)
	}
	// An admin sees the policy and may terminate it.
	if got := s.call(t, admin, http.MethodGet, "/api/policies", ""); !strings.Contains(got.body, number) {
		t.Errorf("an admin lists %s, without %s", got.body, number)
	}
	if got := s.call(t, admin, http.MethodPost, "/api/policies/"+number+"/termination", end); got.status != http.StatusOK {
		t.Errorf("an admin terminates: got %d %s", got.status, got.body)
	}
}

func TestNoResponseContainsTaxID(t *testing.T) {
	s := start(t)
	number, offer := s.sell(t, jimmy), s.offer(t, jimmy)
	invalid := strings.Replace(buyBody(offer), `"Anna"`, `"  "`, 1)
	for name, got := range map[string]answer{
		"the list":     s.call(t, admin, http.MethodGet, "/api/policies", ""),
		"the policy":   s.call(t, jimmy, http.MethodGet, "/api/policies/"+number, ""),
		"an error":     s.call(t, jimmy, http.MethodPost, "/api/policies", invalid),
		"a type error": s.call(t, jimmy, http.MethodPost, "/api/policies", strings.Replace(buyBody(offer), `"`+taxID+`"`, taxID, 1)),
	} {
		if strings.Contains(got.body, taxID) {
			t.Errorf("%s contains the tax id: %s", name, got.body)
		}
	}
}

func TestOneOfConcurrentPurchasesSucceeds(t *testing.T) {
	const buyers = 10
	s := start(t)
	offer := s.offer(t, jimmy)
	answers := make([]answer, buyers)
	var group errgroup.Group
	for i := range buyers {
		group.Go(func() error {
			answers[i] = s.call(t, jimmy, http.MethodPost, "/api/policies", buyBody(offer))
			return nil
		})
	}
	must(t, group.Wait())
	succeeded := 0
	for _, got := range answers {
		if got.status == http.StatusCreated {
			succeeded++
			continue
		}
		want := problem{Status: 409, Code: "offer-not-new", Detail: "Offer " + offer + " is not in new status and cannot be bought"}
		if diff := cmp.Diff(want, got.problem(t)); diff != "" {
			t.Errorf("other purchase (-want +got):\n%s", diff)
		}
	}
	rows := s.rows(t)
	if succeeded != 1 || rows["policy"] != 1 || rows[saleEvents] != 1 {
		t.Errorf("%d purchases succeeded, want 1; rows %v", succeeded, rows)
	}
}

func TestForeignOriginIsNotAllowed(t *testing.T) {
	s := start(t)
	got := s.call(t, jimmy, http.MethodGet, "/api/products", "", "Origin", "https://evil.example")
	if allowed := got.header.Get("Access-Control-Allow-Origin"); allowed != "" {
		t.Errorf("got Access-Control-Allow-Origin %q, want none", allowed)
	}
}
