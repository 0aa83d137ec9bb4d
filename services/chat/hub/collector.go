package hub

import (
	"github.com/prometheus/client_golang/prometheus"

	"parley.internal/pkg/signalr"
)

var connections = prometheus.NewDesc("parley_hub_connections", "Open connections to hubs, by transport.",
	[]string{"hub", "transport"}, nil)

// Collector reports the open connections of a node's hubs to Prometheus, by the hub's path
// and the transport.
type Collector struct{ Node *Node }

// Describe implements prometheus.Collector.
func (Collector) Describe(to chan<- *prometheus.Desc) { to <- connections }

// Collect implements prometheus.Collector. A transport without connections is 0.
func (c Collector) Collect(to chan<- prometheus.Metric) {
	for path, h := range c.Node.hubs {
		count := h.ConnectionsBy()
		for _, transport := range []signalr.Transport{signalr.WebSockets, signalr.ServerSentEvents, signalr.LongPolling} {
			to <- prometheus.MustNewConstMetric(connections, prometheus.GaugeValue,
				float64(count[transport]), path, string(transport))
		}
	}
}
