package outbox

import (
	"context"
	"fmt"
	"time"

	"parley.internal/pkg/database"
)

// Stats describes the state of an outbox.
type Stats struct {
	Pending    int64     // events not published yet
	Oldest     time.Time // when the oldest pending event was recorded; zero: there is none
	Unroutable int64     // events without a bound queue
	Rejected   int64     // events that the broker cannot accept
	Published  int64     // events kept for a replay; estimated when they are many
}

// Stats counts events, cheaply enough for a call every few seconds.
func (o *Outbox) Stats(ctx context.Context) (Stats, error) {
	var s Stats
	var oldest int64
	_, err := database.One(ctx, o.db.Reader(), `
		SELECT (SELECT count(*) FROM outbox_event WHERE state = 'pending'),
			COALESCE((SELECT recorded_at FROM outbox_event WHERE state = 'pending' ORDER BY id LIMIT 1), 0),
			(SELECT count(*) FROM outbox_event WHERE state = 'unroutable'),
			(SELECT count(*) FROM outbox_event WHERE state = 'rejected')`,
		nil, &s.Pending, &oldest, &s.Unroutable, &s.Rejected)
	if err == nil {
		s.Published, err = o.db.Estimate(ctx, "outbox_event", "outbox_event_sent", "state = 'sent'")
	}
	if err != nil {
		return Stats{}, fmt.Errorf("count events of the outbox: %w", err)
	}
	if oldest > 0 {
		s.Oldest = database.Time(oldest)
	}
	return s, nil
}
