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

// Hub names the route of a SignalR hub in this process. A GET on a hub stays open
// as long as the connection, or until a long poll has data, so its duration is
// not observed. The hub reports its open connections itself.
func (m *Metrics) Hub(route string) {
	m.Routes(route)
	m.hubs[route] = false
}

// ForwardedHub names the route of a SignalR hub behind this reverse proxy. As for
// Hub, durations are not observed. The open GET requests are reported as
// parley_hub_connections, by hub and transport.
func (m *Metrics) ForwardedHub(route string) {
	m.Routes(route)
	m.hubs[route] = true
	if m.open == nil {
		m.open = prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "parley_hub_connections", Help: "Open connections to hubs, by transport.",
		}, []string{"hub", "transport"})
		m.Register(m.open)
	}
	for _, transport := range []string{webSockets, serverSentEvents, longPolling} {
		m.open.WithLabelValues(route, transport) // an explicit 0
	}
}

// transport returns the transport of a request that carries a hub connection, ""
// for any other request.
func (m *Metrics) transport(r *http.Request, route string) string {
	if _, ok := m.hubs[route]; !ok || r.Method != http.MethodGet {
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
