package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestAnErrorIsAnsweredByItsCause(t *testing.T) {
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
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if tt.gone {
				cancel()
			}
			recorder := httptest.NewRecorder()
			handler(func(http.ResponseWriter, *http.Request) error { return tt.err }).
				ServeHTTP(recorder, httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil))
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
			same := func(s string) string { return s }
			page := pageOf(make([]string, tt.found), 2, same, same)
			if len(page.Items) != tt.items || (page.Next != nil) != tt.next || page.Items == nil {
				t.Errorf("got %v", page)
			}
		})
	}
}
