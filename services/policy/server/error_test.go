package server_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley.internal/pkg/auth"
)

// invalid is a request that must be rejected.
type invalid struct {
	agent   auth.Agent
	method  string
	path    string
	body    string
	headers []string
	status  int
	code    string
	detail  string // part of the problem's detail
	pointer string // of the first error; "" is none, or any if the code always has one
}

func (i invalid) at(pointer string) invalid {
	i.pointer = pointer
	return i
}

func invalidOffer(old, changed string, status int, code, detail string) invalid {
	body := strings.Replace(offerBody(), old, changed, 1)
	if body == offerBody() {
		panic("the offer does not contain " + old)
	}
	return invalid{agent: jimmy, path: "/api/offers", body: body, status: status, code: code, detail: detail}
}

func TestInvalidRequestChangesNothing(t *testing.T) {
	s := start(t)
	number, offer := s.sell(t, jimmy), s.offer(t, jimmy)
	buying := func(old, changed string, status int, code, detail string) invalid {
		body := strings.Replace(buyBody(offer), old, changed, 1)
		return invalid{agent: jimmy, path: "/api/policies", body: body, status: status, code: code, detail: detail}
	}
	ending := func(body string, status int, code, detail string) invalid {
		return invalid{agent: jimmy, path: "/api/policies/" + number + "/termination", body: body, status: status, code: code, detail: detail}
	}
	changing := func(body string, status int, code, detail string) invalid {
		return invalid{agent: admin, method: http.MethodPut, path: "/api/products/CAR/tariff", body: body, status: status, code: code, detail: detail}
	}
	keyed := func(keys ...string) invalid {
		i := invalid{agent: jimmy, path: "/api/offers", body: offerBody(), status: 400, code: "request-invalid"}
		for _, k := range keys {
			i.headers = append(i.headers, key, k)
		}
		return i
	}
	get := func(path string, status int, code string) invalid {
		return invalid{agent: jimmy, method: http.MethodGet, path: path, status: status, code: code}
	}
	tests := map[string]invalid{
		"no token":             {agent: jimmy, path: "/api/offers", body: offerBody(), headers: []string{"Authorization", ""}, status: 401, code: "token-missing"},
		"no role":              {agent: guest, path: "/api/offers", body: offerBody(), status: 403, code: "forbidden"},
		"no role to buy":       {agent: guest, path: "/api/policies", body: buyBody(offer), status: 403, code: "forbidden"},
		"no role to terminate": {agent: guest, path: "/api/policies/" + number + "/termination", body: "{}", status: 403, code: "forbidden"},
		"an unknown path":      get("/api/policies/x/y", 404, "not-found"),
		"a wrong method":       {agent: jimmy, method: http.MethodDelete, path: "/api/policies/" + number, status: 405, code: "method-not-allowed"},
		"no content type":      {agent: jimmy, path: "/api/offers", body: offerBody(), headers: []string{"Content-Type", ""}, status: 415, code: "not-json"},
		"a body too large":     {agent: jimmy, path: "/api/offers", body: `{"x": "` + strings.Repeat("x", 64<<10) + `"}`, status: 413, code: "body-too-large"},
		"an empty body":        {agent: jimmy, path: "/api/offers", headers: []string{"Content-Type", "application/json"}, status: 400, code: "body-invalid"},
		"broken JSON":          {agent: jimmy, path: "/api/offers", body: `{"productCode": `, status: 400, code: "body-invalid"},
		"trailing data":        {agent: jimmy, path: "/api/offers", body: offerBody() + "{}", status: 400, code: "body-invalid"},
		"an array":             {agent: jimmy, path: "/api/offers", body: "[]", status: 400, code: "request-invalid"},
		"null":                 {agent: jimmy, path: "/api/offers", body: "null", status: 400, code: "request-invalid", detail: "must be an object"},
		"invalid UTF-8":        invalidOffer("TRI", "T\xffI", 400, "body-invalid", "UTF-8"),

		"a product code that is a number": invalidOffer(`"TRI"`, "1", 400, "request-invalid", "productCode"),
		"an unknown product":              invalidOffer("TRI", "NONE", 404, "product-unknown", ""),
		"a product code with a NUL":       invalidOffer("TRI", `TRI\u0000`, 404, "product-unknown", ""),
		"a draft":                         invalidOffer("TRI", "PET", 409, "product-not-active", "PET"),
		"no start date":                   invalidOffer("policyFrom", "from", 400, "request-invalid", "policyFrom"),
		"an invalid start date":           invalidOffer(day(0), "tomorrow", 400, "request-invalid", "policyFrom"),
		"an end that is an instant":       invalidOffer(day(5), day(5)+"T00:00:00Z", 400, "request-invalid", "policyTo"),
		"an end that is a number":         invalidOffer(`"`+day(5)+`"`, "5", 400, "request-invalid", "policyTo"),
		"an end on the start date":        invalidOffer(day(5), day(0), 400, "period-empty", "").at("#/policyTo"),
		"an end before the start":         invalidOffer(day(5), day(-1), 400, "period-empty", "").at("#/policyTo"),
		"an end after eleven years":       invalidOffer(day(5), day(11*366), 400, "period-too-long", "").at("#/policyTo"),
		"a start before 1900":             invalidOffer(day(0), "1899-12-31", 400, "request-invalid", "policyFrom"),
		"a property in another case":      invalidOffer("productCode", "ProductCode", 400, "request-invalid", "productCode"),
		"no covers":                       invalidOffer(`["C1", "C2", "C3"]`, "[]", 400, "cover-missing", "").at("#/selectedCovers"),
		"null for covers":                 invalidOffer(`["C1", "C2", "C3"]`, "null", 400, "request-invalid", "#/selectedCovers must be an array"),
		"a string for covers":             invalidOffer(`["C1", "C2", "C3"]`, `"C1"`, 400, "request-invalid", "selectedCovers"),
		"an unknown cover":                invalidOffer(`"C2"`, `"C9"`, 400, "cover-unknown", "C9").at("#/selectedCovers"),
		"a repeated cover":                invalidOffer(`"C2"`, `"C1"`, 400, "cover-repeated", "C1").at("#/selectedCovers"),
		"a repeated answer":               invalidOffer("NUM_OF_CHILDREN", "NUM_OF_ADULTS", 400, "answer-repeated", "NUM_OF_ADULTS").at("#/answers/2"),
		"a missing answer":                invalidOffer(",\n\t\t\t"+`{"questionCode": "NUM_OF_CHILDREN", "questionType": "Numeric", "answer": 1}`, "", 400, "answer-missing", "NUM_OF_CHILDREN").at("#/answers"),
		"an unknown question":             invalidOffer("NUM_OF_CHILDREN", "NUM_OF_PETS", 400, "answer-unknown", "NUM_OF_PETS").at("#/answers/2"),
		"a question of another type":      invalidOffer("Choice", "Text", 400, "answer-type", "DESTINATION").at("#/answers/0"),
		"an unknown choice":               invalidOffer(`"EUR"`, `"MOON"`, 400, "answer-invalid", "EUR, WORLD, PL").at("#/answers/0"),
		"a number in quotes":              invalidOffer(`"answer": 1`, `"answer": "1"`, 400, "answer-invalid", "NUM_OF_ADULTS").at("#/answers/1"),
		"half an adult":                   invalidOffer(`"answer": 1`, `"answer": 0.5`, 400, "answer-invalid", "whole number").at("#/answers/1"),
		"a negative number":               invalidOffer(`"answer": 1`, `"answer": -1`, 400, "answer-invalid", "at least 0").at("#/answers/1"),
		"too large a number":              invalidOffer(`"answer": 1`, `"answer": 1001`, 400, "answer-invalid", "at most 1000").at("#/answers/1"),

		"a salesman who activates":           {agent: jimmy, path: "/api/products/PET/activation", status: 403, code: "forbidden"},
		"a salesman who reads a tariff":      {agent: jimmy, method: http.MethodGet, path: "/api/products/CAR/tariff", status: 403, code: "forbidden"},
		"a salesman who changes a tariff":    {agent: jimmy, method: http.MethodPut, path: "/api/products/CAR/tariff", body: "{}", status: 403, code: "forbidden"},
		"an active product to activate":      {agent: admin, path: "/api/products/CAR/activation", status: 409, code: "product-active", detail: "CAR"},
		"an unknown product to activate":     {agent: admin, path: "/api/products/NONE/activation", status: 404, code: "product-unknown"},
		"a product to activate with a NUL":   {agent: admin, path: "/api/products/%00/activation", status: 404, code: "product-unknown"},
		"a tariff of an unknown product":     {agent: admin, method: http.MethodGet, path: "/api/products/NONE/tariff", status: 404, code: "product-unknown"},
		"a tariff to read with a NUL":        {agent: admin, method: http.MethodGet, path: "/api/products/%00/tariff", status: 404, code: "product-unknown"},
		"a tariff to change with a NUL":      {agent: admin, method: http.MethodPut, path: "/api/products/%00/tariff", body: tariffBody("1"), status: 404, code: "product-unknown"},
		"an unknown product's tariff change": {agent: admin, method: http.MethodPut, path: "/api/products/NONE/tariff", body: tariffBody("1"), status: 404, code: "product-unknown"},
		"a tariff with a syntax error":       changing(tariffBody("120 *"), 400, "tariff-invalid", "base rule 1, premium: unexpected token EOF"),
		"a tariff with an unknown name":      changing(tariffBody("AGE"), 400, "tariff-invalid", "unknown name AGE"),
		"a tariff with a call":               changing(tariffBody("now()"), 400, "tariff-invalid", ""),
		"a tariff with a division":           changing(tariffBody("1 / 0"), 400, "tariff-invalid", "division"),
		"a tariff with a premium of zero":    changing(tariffBody("0.005"), 400, "tariff-invalid", "base rule 1, premium: is always 0.00, and must be more than 0"),
		"a rule too long":                    changing(tariffBody("1"+strings.Repeat(" ", 500)), 400, "request-invalid", "#/base/0/premium must have at most 500 characters"),
		"a tariff without a rule":            changing(`{"base": [], "markups": []}`, 400, "request-invalid", "#/base"),
		"a tariff with an unknown cover":     changing(`{"base": [{"cover": "C9", "premium": "1"}], "markups": []}`, 400, "tariff-invalid", "C9"),
		"a tariff without markups":           changing(`{"base": [{"cover": "C1", "premium": "1"}]}`, 400, "request-invalid", "#/markups is required"),
		"a premium that is a number":         changing(`{"base": [{"cover": "C1", "premium": 1}], "markups": []}`, 400, "request-invalid", "#/base/0/premium must be a string"),
		"a version with a decimal point":     changing(tariffBody("1", `"version": 1.0,`), 400, "request-invalid", "#/version"),
		"an outdated version":                changing(tariffBody("1", `"version": 7,`), 409, "tariff-conflict", "version is 1"),
		"a tariff property in another case":  changing(tariffBody("1", `"BASE": [],`), 400, "request-invalid", "#/"),

		"no offer number":                   buying("offerNumber", "number", 400, "request-invalid", "offerNumber"),
		"an unknown offer":                  buying(offer, "none", 404, "offer-unknown", ""),
		"an offer number with a NUL":        buying(offer, `\u0000`, 404, "offer-unknown", ""),
		"a holder without a name":           buying(`"Anna"`, `" "`, 400, "text-invalid", "policyHolder.firstName").at("#/policyHolder/firstName"),
		"a name of two lines":               buying(`"Anna"`, `"An\nna"`, 400, "text-invalid", "policyHolder.firstName must have 1 to 200 characters, some of them visible, none a control character.").at("#/policyHolder/firstName"),
		"a holder without a tax id":         buying(`"taxId"`, `"id"`, 400, "request-invalid", "#/policyHolder/taxId is required"),
		"a tax id that is a number":         buying(`"`+taxID+`"`, taxID, 400, "request-invalid", "#/policyHolder/taxId must be a string"),
		"null for the holder":               buying(`"policyHolder":`, `"policyHolder": null, "x":`, 400, "request-invalid", "#/policyHolder must be an object"),
		"a street with a control character": buying("Chłodna", `\u0007`, 400, "text-invalid", "policyHolderAddress.street").at("#/policyHolderAddress/street"),
		"a city of 201 characters":          buying("Warszawa", strings.Repeat("ą", 201), 400, "request-invalid", "#/policyHolderAddress/city must have at most 200 characters"),
		"no termination date":               ending(`{}`, 400, "request-invalid", "terminationDate"),
		"an invalid termination date":       ending(`{"terminationDate": "2026-02-30"}`, 400, "request-invalid", "terminationDate"),
		"a termination before the start":    ending(`{"terminationDate": "`+day(-1)+`"}`, 409, "no-version-at-date", "No valid policy "+number+" version exists at "+day(-1)+". Policy cannot be terminated."),
		"a termination after the end":       ending(`{"terminationDate": "`+day(6)+`"}`, 409, "no-version-at-date", ""),
		"an unknown policy to terminate":    {agent: jimmy, path: "/api/policies/none/termination", body: `{"terminationDate": "` + day(1) + `"}`, status: 404, code: "policy-unknown"},
		"a policy number with a NUL":        {agent: jimmy, path: "/api/policies/%00/termination", body: `{"terminationDate": "` + day(1) + `"}`, headers: []string{key, "k"}, status: 404, code: "policy-unknown"},
		"an unknown policy to read":         get("/api/policies/none", 404, "policy-unknown"),
		"a policy to read with a NUL":       get("/api/policies/%00", 404, "policy-unknown"),
		"an unknown product to read":        get("/api/products/NONE", 404, "product-unknown"),
		"a product to read with a NUL":      get("/api/products/%00", 404, "product-unknown"),
		"a page of 0 items":                 get("/api/policies?limit=0", 400, "request-invalid"),
		"a page too large":                  get("/api/policies?limit=201", 400, "request-invalid"),
		"a limit of letters":                get("/api/products?limit=some", 400, "request-invalid"),
		"an invalid cursor":                 get("/api/policies?cursor=!", 400, "query-invalid"),
		"a cursor of another list":          get("/api/policies?cursor=VFJJ", 400, "query-invalid"),
		"a cursor with a NUL":               get("/api/products?cursor=AAAA", 400, "query-invalid"),
		"a page of 1e1":                     get("/api/policies?limit=1e1", 400, "request-invalid"),
		"a page of two limits":              get("/api/policies?limit=1&limit=2", 400, "request-invalid"),
		"a key of 256 characters":           keyed(strings.Repeat("k", 256)),
		"a key with a space":                keyed("a b"),
		"a key with letters beyond ASCII":   keyed("ł"),
		"two keys":                          keyed("a", "b"),
	}
	hasPointer := map[string]bool{"request-invalid": true, "query-invalid": true, "tariff-invalid": true}
	before := s.rows(t)
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if tt.method == "" {
				tt.method = http.MethodPost
			}
			got := s.call(t, tt.agent, tt.method, tt.path, tt.body, tt.headers...)
			p := got.problem(t)
			if got.status != tt.status || p.Status != tt.status || p.Code != tt.code || !strings.Contains(p.Detail, tt.detail) {
				t.Errorf("got %d %+v, want %d %s with detail %q", got.status, p, tt.status, tt.code, tt.detail)
			}
			var pointer string
			if len(p.Errors) > 0 {
				pointer = p.Errors[0].Pointer + p.Errors[0].Parameter
			}
			if pointer != tt.pointer && (tt.pointer != "" || !hasPointer[tt.code]) || pointer == "" && hasPointer[tt.code] {
				t.Errorf("%s: got errors %v, want a pointer to %q", tt.code, p.Errors, tt.pointer)
			}
		})
	}
	if diff := cmp.Diff(before, s.rows(t)); diff != "" {
		t.Errorf("rows changed (-before +after):\n%s", diff)
	}
	// A corrected request succeeds.
	if got := s.call(t, jimmy, http.MethodPost, "/api/policies", buyBody(offer)); got.status != http.StatusCreated {
		t.Errorf("got %d %s, want status 201", got.status, got.body)
	}
}
