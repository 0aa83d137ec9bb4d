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
		t.Fatalf("got status %d from /metrics, want 200: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func TestRequestsAreCountedByKnownRoute(t *testing.T) {
	m := telemetry.NewMetrics()
	m.Routes("/api/things", "/api/things/{id}")
	m.Routes("/api/things") // two services may share a path
	up := prometheus.NewGauge(prometheus.GaugeOpts{Name: "parley_up", Help: "Test collector."})
	m.Register(up)
	up.Set(7)
	h := m.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
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
	upgrade := httptest.NewRequest(http.MethodGet, "/api/things", nil)
	upgrade.Header.Set("Upgrade", "h2c") // an ordinary request: the route is no hub
	h.ServeHTTP(httptest.NewRecorder(), upgrade)

	text := scrape(t, h)
	for _, line := range []string{
		`parley_http_requests_total{method="GET",route="/api/things",status="200"} 2`,
		`parley_http_requests_total{method="GET",route="/api/things/{id}",status="418"} 2`,
		`parley_http_requests_total{method="GET",route="/api/things/{id}",status="200"} 1`,
		`parley_http_requests_total{method="GET",route="other",status="200"} 1`,
		`parley_http_requests_total{method="other",route="/api/things",status="200"} 1`,
		`parley_http_request_duration_seconds_count{method="GET",route="/api/things"} 2`, `parley_up 7`, "go_goroutines",
	} {
		if !strings.Contains(text, line) {
			t.Errorf("metric %s is missing", line)
		}
	}
	if strings.Contains(strings.ToLower(text), "secret") {
		t.Error("metrics contain text from a request")
	}
}

func TestHubConnectionsHaveNoDuration(t *testing.T) {
	m := telemetry.NewMetrics()
	m.Routes("/hub/negotiate")
	m.ForwardedHub("/hub")
	m.Hub("/own")
	during := ""
	var h http.Handler
	h = m.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { during = scrape(t, h) }))
	for _, path := range []string{"/hub", "/own"} {
		for transport, header := range map[string]http.Header{
			"WebSockets":       {"Upgrade": {"websocket"}},
			"ServerSentEvents": {"Accept": {"text/event-stream"}},
			"LongPolling":      {},
		} {
			r := httptest.NewRequest(http.MethodGet, path+"?id=1", nil)
			r.Header = header
			h.ServeHTTP(httptest.NewRecorder(), r)
			if want := `parley_hub_connections{hub="/hub",transport="` + transport + `"} 1`; path == "/hub" && !strings.Contains(during, want) {
				t.Errorf("metric %s is missing while the connection is open", want)
			}
		}
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, path, nil))
	}
	text := scrape(t, h)
	for _, line := range []string{
		`parley_hub_connections{hub="/hub",transport="WebSockets"} 0`,
		`parley_hub_connections{hub="/hub",transport="ServerSentEvents"} 0`,
		`parley_hub_connections{hub="/hub",transport="LongPolling"} 0`,
		`parley_http_requests_total{method="GET",route="/own",status="200"} 2`,
		`parley_http_requests_total{method="GET",route="/hub",status="200"} 2`,
		`parley_http_request_duration_seconds_count{method="POST",route="/hub"} 1`,
	} {
		if !strings.Contains(text, line) {
			t.Errorf("metric %s is missing", line)
		}
	}
	if strings.Contains(text, `parley_http_request_duration_seconds_count{method="GET"`) {
		t.Error("the duration of a hub connection is observed")
	}
	if strings.Contains(text, `parley_hub_connections{hub="/own"`) {
		t.Error("connections to a hub in this process are counted as forwarded")
	}
}
