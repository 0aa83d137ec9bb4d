package inbox

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// scrapeTimeout limits the queries of a scrape.
const scrapeTimeout = 3 * time.Second

// Collector exports the stats and the counts of an inbox to Prometheus.
type Collector struct {
	inbox   *Inbox
	service prometheus.Labels
}

// NewCollector returns a collector with the label service.
func NewCollector(service string, i *Inbox) *Collector {
	return &Collector{inbox: i, service: prometheus.Labels{"service": service}}
}

// Describe implements prometheus.Collector. It describes nothing: a process may have
// collectors of several services, which differ by their label.
func (c *Collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(metrics chan<- prometheus.Metric) {
	send := func(kind prometheus.ValueType, name, help, label, value string, number float64) {
		var labels, values []string
		if label != "" {
			labels, values = []string{label}, []string{value}
		}
		metrics <- prometheus.MustNewConstMetric(prometheus.NewDesc(name, help, labels, c.service), kind, number, values...)
	}
	counts := c.inbox.Counts()
	for result, n := range map[string]int64{
		"handled": counts.Handled, "duplicate": counts.Duplicates, "failed": counts.Failed, "gap": counts.Gaps,
	} {
		send(prometheus.CounterValue, "parley_inbox_events_total", "Events by result since the process started.", "result", result, float64(n))
	}
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
	defer cancel()
	const success = "parley_inbox_scrape_success"
	const successHelp = "1 if the database answered the last scrape of the inbox, else 0."
	stats, err := c.inbox.Stats(ctx)
	if err != nil {
		send(prometheus.GaugeValue, success, successHelp, "", "", 0)
		return
	}
	send(prometheus.GaugeValue, success, successHelp, "", "", 1)
	const parkedHelp = "Events that wait for their predecessor or for a retry."
	send(prometheus.GaugeValue, "parley_inbox_parked_events", parkedHelp, "state", stateWaiting, float64(stats.Waiting))
	send(prometheus.GaugeValue, "parley_inbox_parked_events", parkedHelp, "state", stateRetry, float64(stats.Retry))
	age := 0.0
	if !stats.Oldest.IsZero() {
		age = time.Since(stats.Oldest).Seconds()
	}
	send(prometheus.GaugeValue, "parley_inbox_oldest_parked_age_seconds", "Age of the oldest parked event.", "", "", age)
	send(prometheus.GaugeValue, "parley_inbox_deduplication_ids", "Ids that are kept to recognize duplicates.", "", "", float64(stats.DeduplicationIDs))
	letters := make(map[string]int64)
	for _, d := range stats.Dead {
		letters[d.Type] += d.Events
	}
	for eventType, n := range letters {
		send(prometheus.GaugeValue, "parley_inbox_dead_letters", "Dead letters.", "type", eventType, float64(n))
	}
}
