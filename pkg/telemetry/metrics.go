package telemetry

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics is what a process counts, for Prometheus. Its labels come from fixed
// lists: nobody outside can add to them.
type Metrics struct {
	registry *prometheus.Registry
	routes   *http.ServeMux // only to find which route a path is of
	known    map[string]bool
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	sockets  *prometheus.GaugeVec
	hubs     map[string]func() map[string]int // by route: how many connections are open; nil: it is elsewhere
}

// otherLabel is what is not on a list.
const otherLabel = "other"

// NewMetrics counts the process itself: memory, goroutines, files.
func NewMetrics() *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(), routes: http.NewServeMux(), known: make(map[string]bool),
		hubs: make(map[string]func() map[string]int),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "parley_http_requests_total", Help: "Requests that were answered.",
		}, []string{"method", "route", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "parley_http_request_duration_seconds", Help: "How long the answers took.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10},
		}, []string{"method", "route"}),
		sockets: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "parley_http_sockets", Help: "Connections to hubs that are open.",
		}, []string{"route", "transport"}),
	}
	m.registry.MustRegister(m.requests, m.duration, sockets{m.sockets, m.hubs}, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Register adds what somebody else counts. Two that count the same are a mistake
// in the program, and panic.
func (m *Metrics) Register(c prometheus.Collector) { m.registry.MustRegister(c) }

// Routes names routes, as patterns of http.ServeMux without a method, whose
// requests are counted apart. What none of them fits is counted as "other".
func (m *Metrics) Routes(patterns ...string) {
	for _, pattern := range patterns {
		if !m.known[pattern] {
			m.routes.Handle(pattern, http.NotFoundHandler())
		}
		m.known[pattern] = true
	}
}

// Wrap answers /metrics, and counts the requests that it leaves to next.
func (m *Metrics) Wrap(next http.Handler) http.Handler {
	figures := promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Timeout: scrapeTimeout})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/metrics" {
			figures.ServeHTTP(w, r)
			return
		}
		route := m.route(r)
		if transport := m.carries(r, route); transport != "" {
			m.carry(w, r, next, route, transport)
			return
		}
		m.count(w, r, next, route)
	})
}

const scrapeTimeout = 5 * time.Second

func (m *Metrics) count(w http.ResponseWriter, r *http.Request, next http.Handler, route string) {
	begun := time.Now()
	answer := &observed{ResponseWriter: w}
	method := methodOf(r) // Before next changes r.
	defer func() {
		m.duration.WithLabelValues(method, route).Observe(time.Since(begun).Seconds())
		m.answered(method, route, answer)
	}()
	next.ServeHTTP(answer, r)
}

func (m *Metrics) answered(method, route string, answer *observed) {
	m.requests.WithLabelValues(method, route, strconv.Itoa(answer.code())).Inc()
}

func (m *Metrics) route(r *http.Request) string {
	if _, pattern := m.routes.Handler(r); m.known[pattern] {
		return pattern
	}
	return otherLabel
}

func methodOf(r *http.Request) string {
	methods := []string{
		http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
	}
	if slices.Contains(methods, r.Method) {
		return r.Method
	}
	return otherLabel
}

// observed is an answer whose status is looked at.
type observed struct {
	http.ResponseWriter

	status int
}

func (o *observed) WriteHeader(status int) {
	if o.status == 0 {
		o.status = status
	}
	o.ResponseWriter.WriteHeader(status)
}

// Flush is for who streams.
func (o *observed) Flush() { _ = http.NewResponseController(o.ResponseWriter).Flush() }

// Unwrap is for http.ResponseController.
func (o *observed) Unwrap() http.ResponseWriter { return o.ResponseWriter }

func (o *observed) code() int {
	if o.status == 0 {
		return http.StatusOK
	}
	return o.status
}
