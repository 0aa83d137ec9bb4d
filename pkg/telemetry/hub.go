package telemetry

import (
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// The transports of a hub, by their names in the SignalR protocol.
const (
	webSockets       = "WebSockets"
	serverSentEvents = "ServerSentEvents"
	longPolling      = "LongPolling"
)

var transports = []string{webSockets, serverSentEvents, longPolling}

// Hub names the route of a SignalR hub. A request that carries one of its
// connections lasts as long as that does, or until there is something to say: it
// is no slow answer, so how long it takes is not counted. What is counted are the
// hub's connections, by transport: open says how many there are; nil: the hub is
// elsewhere, and those requests are counted that are under way.
func (m *Metrics) Hub(route string, open func() map[string]int) {
	m.Routes(route)
	m.hubs[route] = open
	for _, transport := range transports {
		m.sockets.WithLabelValues(route, transport)
	}
}

// carries says which transport a request is of. None: it is an ordinary one.
func (m *Metrics) carries(r *http.Request, route string) (transport string) {
	if _, is := m.hubs[route]; !is || r.Method != http.MethodGet {
		return ""
	}
	switch {
	case r.Header.Get("Upgrade") != "":
		return webSockets
	case strings.Contains(r.Header.Get("Accept"), "text/event-stream"):
		return serverSentEvents
	default:
		return longPolling
	}
}

// carry serves a request that carries a connection.
func (m *Metrics) carry(w http.ResponseWriter, r *http.Request, next http.Handler, route, transport string) {
	if m.hubs[route] == nil {
		open := m.sockets.WithLabelValues(route, transport)
		open.Inc()
		defer open.Dec()
	}
	if transport == webSockets {
		next.ServeHTTP(w, r) // Whoever takes the connection over needs the real w.
		return
	}
	answer := &observed{ResponseWriter: w}
	method := methodOf(r)
	defer func() { m.answered(method, route, answer) }()
	next.ServeHTTP(answer, r)
}

// sockets are the connections of the hubs here and elsewhere.
type sockets struct {
	*prometheus.GaugeVec

	hubs map[string]func() map[string]int // nil: elsewhere
}

// Collect implements prometheus.Collector.
func (s sockets) Collect(to chan<- prometheus.Metric) {
	for route, open := range s.hubs {
		if open == nil {
			continue
		}
		count := open()
		for _, transport := range transports {
			s.WithLabelValues(route, transport).Set(float64(count[transport]))
		}
	}
	s.GaugeVec.Collect(to)
}
