package telemetry_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"parley.internal/pkg/telemetry"
)

func Example() {
	health := telemetry.Health{Degraded: func() []string { return []string{"broker: no connection"} }}
	w := httptest.NewRecorder()
	health.Wrap(http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
	fmt.Print(w.Code, " ", w.Body)
	// Output: 200 {"status":"ready","degraded":["broker: no connection"]}
}

func TestOnlyWhatForbidsWorkIsNotReady(t *testing.T) {
	check := func(err error) func(context.Context) error {
		return func(context.Context) error { return err }
	}
	tests := map[string]struct {
		health *telemetry.Health
		drain  bool
		status int
		says   string
	}{
		"nothing is asked for":    {health: &telemetry.Health{}, status: 200, says: "ready"},
		"the database answers":    {health: &telemetry.Health{Check: check(nil)}, status: 200, says: "ready"},
		"the database is away":    {health: &telemetry.Health{Check: check(errors.New("dial 10.0.0.1"))}, status: 503, says: "database"},
		"the service stops":       {health: &telemetry.Health{Check: check(nil)}, drain: true, status: 503, says: "draining"},
		"the broker is away only": {health: &telemetry.Health{Degraded: func() []string { return []string{"broker"} }}, status: 200, says: "broker"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if tt.drain {
				tt.health.Drain()
			}
			w := httptest.NewRecorder()
			tt.health.Wrap(http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.says) || strings.Contains(w.Body.String(), "10.0.0.1") {
				t.Errorf("got %d %s", w.Code, w.Body)
			}
			alive := httptest.NewRecorder()
			tt.health.Wrap(http.NotFoundHandler()).ServeHTTP(alive, httptest.NewRequest(http.MethodGet, "/healthz", nil))
			if alive.Code != http.StatusOK {
				t.Errorf("it is alive, and says %d", alive.Code)
			}
			other := httptest.NewRecorder()
			tt.health.Wrap(http.NotFoundHandler()).ServeHTTP(other, httptest.NewRequest(http.MethodGet, "/api", nil))
			if other.Code != http.StatusNotFound {
				t.Errorf("another path answers %d", other.Code)
			}
		})
	}
}
