package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"parley.internal/api"
	"parley.internal/pkg/auth"
	"parley.internal/pkg/contract"
	"parley.internal/policy"
)

type products = Products

// broken is a shelf that nothing can be taken from.
type broken struct {
	products

	err error
}

func (b broken) Product(context.Context, policy.Viewer, string) (*policy.Product, error) {
	return nil, b.err
}

func TestAnErrorIsAnsweredByItsCause(t *testing.T) {
	obeyed, err := contract.Open(api.Files, "openapi/policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		gone   bool // the caller
		err    error
		status int
	}{
		"the database did not answer in time": {false, fmt.Errorf("begin: %w", context.DeadlineExceeded), http.StatusServiceUnavailable},
		"ours, and nobody's business":         {false, errors.New("disk full"), http.StatusInternalServerError},
		"the caller has gone away":            {true, context.Canceled, http.StatusOK}, // nothing is written
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(auth.NewContext(t.Context(), auth.Identity{}))
			defer cancel()
			if tt.gone {
				cancel()
			}
			recorder := httptest.NewRecorder()
			policies := API{Contract: obeyed, Products: broken{err: tt.err}}
			policies.Handler().ServeHTTP(recorder, httptest.NewRequestWithContext(ctx, http.MethodGet, "/api/products/CAR", nil))
			if recorder.Code != tt.status || (recorder.Body.Len() == 0) != (tt.status == http.StatusOK) {
				t.Errorf("got %d %s", recorder.Code, recorder.Body)
			}
		})
	}
}

func TestAPageKnowsWhetherThereIsAnother(t *testing.T) {
	tests := map[string]struct {
		found, items int
		next         bool
	}{
		"none":             {0, 0, false},
		"fewer":            {1, 1, false},
		"as many as asked": {2, 2, false},
		"one more":         {3, 2, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			items, next := cut(make([]string, tt.found), 2, func(s string) string { return s })
			if len(items) != tt.items || (next != nil) != tt.next || items == nil {
				t.Errorf("got %v, next %v", items, next)
			}
		})
	}
}
