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

// failing is a catalogue that fails with an error.
type failing struct {
	products

	err error
}

func (f failing) Product(context.Context, policy.Agent, string) (*policy.Product, error) {
	return nil, f.err
}

func openContract(t *testing.T) *contract.Contract {
	t.Helper()
	c, err := contract.Open(api.Files, "openapi/policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestErrorDecidesStatus(t *testing.T) {
	tests := map[string]struct {
		cancelled bool // the request's context
		err       error
		status    int
	}{
		"database timeout":    {false, fmt.Errorf("begin: %w", context.DeadlineExceeded), http.StatusServiceUnavailable},
		"internal error":      {false, errors.New("disk full"), http.StatusInternalServerError},
		"client disconnected": {true, context.Canceled, http.StatusOK}, // nothing is written
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(auth.NewContext(t.Context(), auth.Identity{}))
			defer cancel()
			if tt.cancelled {
				cancel()
			}
			recorder := httptest.NewRecorder()
			policies := API{Contract: openContract(t), Products: failing{err: tt.err}}
			policies.Handler().ServeHTTP(recorder, httptest.NewRequestWithContext(ctx, http.MethodGet, "/api/products/CAR", nil))
			if recorder.Code != tt.status || (recorder.Body.Len() == 0) != (tt.status == http.StatusOK) {
				t.Errorf("got status %d and body %s, want status %d", recorder.Code, recorder.Body, tt.status)
			}
		})
	}
}

func TestOperationWithoutHandlerPanics(t *testing.T) {
	c := openContract(t)
	c.Operations[0].ID = "renewPolicy"
	defer func() {
		if recover() == nil {
			t.Error("Handler serves a contract with an operation without a handler")
		}
	}()
	(&API{Contract: c}).Handler()
}
