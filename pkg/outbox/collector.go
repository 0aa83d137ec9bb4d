package outbox

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// scrapeTimeout limits the queries of a scrape.
const scrapeTimeout = 3 * time.Second

// Collector exports the stats of an outbox and its relay to Prometheus.
type Collector struct {
	outbox  *Outbox
	relay   *Relay
	service prometheus.Labels
}

// NewCollector returns a collector with the label service. The relay may be nil.
func NewCollector(service string, o *Outbox, r *Relay) *Collector {
	return &Collector{outbox: o, relay: r, service: prometheus.Labels{"service": service}}
}

// Describe implements prometheus.Collector. It describes nothing: a process may have
// collectors of several services, which differ by their label.
func (c *Collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(metrics chan<- prometheus.Metric) {
	gauge := func(name, help string, value float64) {
		metrics <- prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, nil, c.service), prometheus.GaugeValue, value)
	}
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	if c.relay != nil {
		leader := 0.0
		if c.relay.IsLeader() {
			leader = 1
		}
		gauge("parley_relay_leader", "1 if this process publishes the events of its database.", leader)
	}
	stats, err := c.outbox.Stats(ctx)
	const success = "parley_outbox_scrape_success"
	const successHelp = "1 if the database answered the last scrape of the outbox, else 0."
	if err != nil {
		gauge(success, successHelp, 0)
		return
	}
	age := 0.0
	if !stats.Oldest.IsZero() {
		age = time.Since(stats.Oldest).Seconds()
	}
	gauge(success, successHelp, 1)
	gauge("parley_outbox_pending_events", "Events that are not published yet.", float64(stats.Pending))
	gauge("parley_outbox_oldest_pending_age_seconds", "Age of the oldest pending event.", age)
	gauge("parley_outbox_unroutable_events", "Events whose type has no bound queue.", float64(stats.Unroutable))
	gauge("parley_outbox_rejected_events", "Events that the broker cannot accept.", float64(stats.Rejected))
	gauge("parley_outbox_published_events", "Published events that are kept for a replay.", float64(stats.Published))
}
