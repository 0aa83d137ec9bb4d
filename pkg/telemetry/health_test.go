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

func TestDegradedServiceStaysReady(t *testing.T) {
	check := func(err error) func(context.Context) error {
		return func(context.Context) error { return err }
	}
	tests := map[string]struct {
		health *telemetry.Health
		drain  bool
		status int
		says   string
	}{
		"no check":            {health: &telemetry.Health{}, status: 200, says: "ready"},
		"database answers":    {health: &telemetry.Health{Check: check(nil)}, status: 200, says: "ready"},
		"database is down":    {health: &telemetry.Health{Check: check(errors.New("dial 10.0.0.1"))}, status: 503, says: "database"},
		"service is draining": {health: &telemetry.Health{Check: check(nil)}, drain: true, status: 503, says: "draining"},
		"only broker is down": {health: &telemetry.Health{Degraded: func() []string { return []string{"broker"} }}, status: 200, says: "broker"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if tt.drain {
				tt.health.Drain()
			}
			w := httptest.NewRecorder()
			tt.health.Wrap(http.NotFoundHandler()).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/readyz", nil))
			if w.Code != tt.status || !strings.Contains(w.Body.String(), tt.says) || strings.Contains(w.Body.String(), "10.0.0.1") {
				t.Errorf("got /readyz %d %s, want %d with %q and no address", w.Code, w.Body, tt.status, tt.says)
			}
			alive := httptest.NewRecorder()
			tt.health.Wrap(http.NotFoundHandler()).ServeHTTP(alive, httptest.NewRequest(http.MethodGet, "/healthz", nil))
			if alive.Code != http.StatusOK {
				t.Errorf("got /healthz %d, want 200", alive.Code)
			}
			other := httptest.NewRecorder()
			tt.health.Wrap(http.NotFoundHandler()).ServeHTTP(other, httptest.NewRequest(http.MethodGet, "/api", nil))
			if other.Code != http.StatusNotFound {
				t.Errorf("got %d for another path, want 404", other.Code)
			}
		})
	}
}
