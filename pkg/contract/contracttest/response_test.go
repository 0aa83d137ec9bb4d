package contracttest_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"parley.internal/pkg/contract/contracttest"
)

func TestResponsesAreValidated(t *testing.T) {
	const js, problem = "application/json", "application/problem+json"
	post := httptest.NewRequest(http.MethodPost, "/books", http.NoBody)
	tests := map[string]struct {
		status      int
		contentType string
		body        string
		fault       string // part of the error; "": valid
	}{
		"valid":                {201, js + "; charset=utf-8", book, ""},
		"no body":              {204, "", "", ""},
		"problem":              {409, problem, `{"status":409,"code":"x"}`, ""},
		"undocumented success": {200, js, book, "responds with 200: the contract has only 201, 204, default"},
		"unexpected body":      {204, js, book, "has no body for"},
		"wrong content type":   {201, "text/plain", book, `"text/plain" is none of application/json`},
		"wrong problem type":   {500, js, `{"status":500,"code":"x"}`, "is none of application/problem+json"},
		"invalid body":         {201, js, `{"title":"Snow","authors":[{"name":"Pamuk"}]}`, "#/price is required"},
		"misspelled property":  {201, js, `{"Title":"Snow","authors":[{"name":"Pamuk"}],"price":1}`, "#/Title is written title"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			header := http.Header{"Content-Type": {tt.contentType}, "Location": {"/books/1"}}
			err := contracttest.CheckResponse(library(t), post, tt.status, header, []byte(tt.body))
			if tt.fault == "" && err != nil || tt.fault != "" && (err == nil || !strings.Contains(err.Error(), tt.fault)) {
				t.Errorf("got error %v, want %q", err, tt.fault)
			}
		})
	}
	if err := contracttest.CheckResponse(library(t), post, 201, http.Header{"Content-Type": {js}}, []byte(book)); err == nil {
		t.Error("a missing required header is not reported")
	}
	if err := contracttest.CheckResponse(library(t), httptest.NewRequest(http.MethodGet, "/healthz", http.NoBody), 418, nil, nil); err != nil {
		t.Errorf("got error %v for an unknown path, want none", err)
	}
}
