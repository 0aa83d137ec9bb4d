package inbox

import (
	"context"
	"time"

	"parley.internal/pkg/metric"
)

// scrapeTimeout limits the queries of a scrape.
const scrapeTimeout = 3 * time.Second

// NewCollector returns a Prometheus collector of the stats and the counts of an inbox,
// with the label service.
func NewCollector(service string, i *Inbox) *metric.Collector {
	return metric.NewCollector(service, func(s metric.Scrape) {
		counts := i.Counts()
		for result, n := range map[string]int64{
			"handled": counts.Handled, "duplicate": counts.Duplicates, "failed": counts.Failed, "gap": counts.Gaps,
		} {
			s.Counter("parley_inbox_events_total", "Events by result since the process started.", n, "result", result)
		}
		ctx, cancel := context.WithTimeout(context.Background(), scrapeTimeout)
		defer cancel()
		stats, err := i.Stats(ctx)
		s.Flag("parley_inbox_scrape_success", "1 if the database answered the last scrape of the inbox, else 0.", err == nil)
		if err != nil {
			return
		}
		for state, n := range map[string]int64{stateWaiting: stats.Waiting, stateRetry: stats.Retry} {
			s.Gauge("parley_inbox_parked_events", "Events that wait for their predecessor or for a retry.", float64(n), "state", state)
		}
		s.Age("parley_inbox_oldest_parked_age_seconds", "Age of the oldest parked event.", stats.Oldest)
		s.Gauge("parley_inbox_deduplication_ids", "Ids that are kept to recognize duplicates.", float64(stats.DeduplicationIDs))
		letters := make(map[string]int64)
		for _, d := range stats.Dead {
			letters[d.Type] += d.Events
		}
		for eventType, n := range letters {
			s.Gauge("parley_inbox_dead_letters", "Dead letters.", float64(n), "type", eventType)
		}
	})
}
