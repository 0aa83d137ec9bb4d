package outbox

import (
	"context"
	"time"

	"parley.internal/pkg/metric"
)

// scrapeTimeout limits the queries of a scrape.
const scrapeTimeout = 3 * time.Second

// NewCollector returns a Prometheus collector of the stats of an outbox and its relay,
// with the label service. The relay may be nil.
func NewCollector(service string, o *Outbox, r *Relay) *metric.Collector {
	return metric.NewCollector(service, func(s metric.Scrape) {
		ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
		defer cancel()
		if r != nil {
			s.Flag("parley_relay_leader", "1 if this process publishes the events of its database.", r.IsLeader())
		}
		stats, err := o.Stats(ctx)
		s.Flag("parley_outbox_scrape_success", "1 if the database answered the last scrape of the outbox, else 0.", err == nil)
		if err != nil {
			return
		}
		s.Gauge("parley_outbox_pending_events", "Events that are not published yet.", float64(stats.Pending))
		s.Age("parley_outbox_oldest_pending_age_seconds", "Age of the oldest pending event.", stats.Oldest)
		s.Gauge("parley_outbox_unroutable_events", "Events whose type has no bound queue.", float64(stats.Unroutable))
		s.Gauge("parley_outbox_rejected_events", "Events that the broker cannot accept.", float64(stats.Rejected))
		s.Gauge("parley_outbox_published_events", "Published events that are kept for a replay.", float64(stats.Published))
	})
}
