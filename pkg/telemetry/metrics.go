package telemetry

import (
	"cmp"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics counts HTTP requests and keeps the registry of a process's Prometheus
// collectors. All label values come from fixed lists, so callers cannot add any.
// Name all routes before the first request.
type Metrics struct {
	registry *prometheus.Registry
	mux      *http.ServeMux // only finds the route of a request
	routes   map[string]bool
	hubs     map[string]bool // routes of hubs; true: forwarded to another process
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	open     *prometheus.GaugeVec // connections to forwarded hubs; nil without any
}

// otherLabel stands for every method and route that is not on a list.
const otherLabel = "other"

// NewMetrics returns a registry with the metrics of HTTP, the Go runtime and the
// process (memory, goroutines, open files).
func NewMetrics() *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(), mux: http.NewServeMux(),
		routes: make(map[string]bool), hubs: make(map[string]bool),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "parley_http_requests_total", Help: "HTTP requests answered.",
		}, []string{"method", "route", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "parley_http_request_duration_seconds", Help: "Duration of HTTP requests, without hub connections.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
		}, []string{"method", "route"}),
	}
	m.registry.MustRegister(m.requests, m.duration, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Register adds collectors to the registry. It panics if two of them report the
// same metric with the same labels.
func (m *Metrics) Register(collectors ...prometheus.Collector) {
	m.registry.MustRegister(collectors...)
}

// Routes names routes that are counted separately, as patterns of http.ServeMux
// without a method. Requests of all other paths are counted as "other".
func (m *Metrics) Routes(patterns ...string) {
	for _, pattern := range patterns {
		if !m.routes[pattern] {
			m.mux.Handle(pattern, http.NotFoundHandler())
		}
		m.routes[pattern] = true
	}
}

// Wrap serves /metrics, and counts the requests that it passes to next.
func (m *Metrics) Wrap(next http.Handler) http.Handler {
	metrics := promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Timeout: scrapeTimeout})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/metrics" {
			metrics.ServeHTTP(w, r)
			return
		}
		m.serve(w, r, next)
	})
}

const scrapeTimeout = 5 * time.Second

// serve runs next and records the response, or the hub connection of the request.
func (m *Metrics) serve(w http.ResponseWriter, r *http.Request, next http.Handler) {
	start, method, route := time.Now(), methodLabel(r), m.route(r) // next may change r
	transport := m.transport(r, route)
	if transport != "" && m.hubs[route] {
		open := m.open.WithLabelValues(route, transport)
		open.Inc()
		defer open.Dec()
	}
	if transport == webSockets {
		next.ServeHTTP(w, r) // an upgrade hijacks the connection of the real w
		return
	}
	response := &statusRecorder{ResponseWriter: w}
	defer func() {
		if transport == "" {
			m.duration.WithLabelValues(method, route).Observe(time.Since(start).Seconds())
		}
		m.requests.WithLabelValues(method, route, strconv.Itoa(cmp.Or(response.status, http.StatusOK))).Inc()
	}()
	next.ServeHTTP(response, r)
}

// route returns the route label of a request.
func (m *Metrics) route(r *http.Request) string {
	if _, pattern := m.mux.Handler(r); m.routes[pattern] {
		return pattern
	}
	return otherLabel
}

var methods = []string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
}

func methodLabel(r *http.Request) string {
	if slices.Contains(methods, r.Method) {
		return r.Method
	}
	return otherLabel
}

// statusRecorder remembers the status of a response.
type statusRecorder struct {
	http.ResponseWriter

	status int // 0 without an explicit status, which means 200
}

func (s *statusRecorder) WriteHeader(status int) {
	if s.status == 0 {
		s.status = status
	}
	s.ResponseWriter.WriteHeader(status)
}

// Flush implements http.Flusher, for streamed responses.
func (s *statusRecorder) Flush() { _ = http.NewResponseController(s.ResponseWriter).Flush() }

// Unwrap gives http.ResponseController access to the real writer.
func (s *statusRecorder) Unwrap() http.ResponseWriter { return s.ResponseWriter }
