package telemetry_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"parley.internal/pkg/telemetry"
)

func scrape(t *testing.T, h http.Handler) string {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("/metrics answers %d %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func TestRequestsAreCountedByRouteAndNothingElse(t *testing.T) {
	m := telemetry.NewMetrics()
	m.Routes("/api/things", "/api/things/{id}", "/hub")
	m.Routes("/api/things") // Two services may share a path.
	up := prometheus.NewGauge(prometheus.GaugeOpts{Name: "parley_up", Help: "Up."})
	m.Register(up)
	up.Set(7)
	socket := ""
	var h http.Handler
	h = m.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/hub":
			socket = scrape(t, h)
		case "/api/things/1":
			w.WriteHeader(http.StatusTeapot)
		default:
			_, _ = io.WriteString(w, "ok")
		}
	}))
	for _, path := range []string{"/api/things", "/api/things/1", "/api/things/2", "/api/things/1?token=secret-1", "/secret-2"} {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, nil))
	}
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("SECRET-3", "/api/things", nil))
	upgrade := httptest.NewRequest(http.MethodGet, "/hub", nil)
	upgrade.Header.Set("Upgrade", "websocket")
	h.ServeHTTP(httptest.NewRecorder(), upgrade)

	text := scrape(t, h)
	for _, line := range []string{
		`parley_http_requests_total{method="GET",route="/api/things",status="200"} 1`,
		`parley_http_requests_total{method="GET",route="/api/things/{id}",status="418"} 2`,
		`parley_http_requests_total{method="GET",route="/api/things/{id}",status="200"} 1`,
		`parley_http_requests_total{method="GET",route="other",status="200"} 1`,
		`parley_http_requests_total{method="other",route="/api/things",status="200"} 1`,
		`parley_http_request_duration_seconds_count{method="GET",route="/api/things"} 1`,
		`parley_http_sockets{route="/hub"} 0`, `parley_up 7`, "go_goroutines",
	} {
		if !strings.Contains(text, line) {
			t.Errorf("there is no %s", line)
		}
	}
	if !strings.Contains(socket, `parley_http_sockets{route="/hub"} 1`) {
		t.Error("a socket that is open is not counted")
	}
	if strings.Contains(strings.ToLower(text), "secret") {
		t.Error("what a caller wrote is in the metrics")
	}
}
