package inbox

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
)

// Stats describes the state of an inbox.
type Stats struct {
	Waiting          int64     // events waiting for their predecessors
	Retry            int64     // events whose handlers failed and are retried
	Oldest           time.Time // when the oldest of these arrived; zero: there is none
	Dead             []DeadLetters
	DeduplicationIDs int64 // of all consumers of the database; estimated when they are many
}

// DeadLetters counts dead letters with the same cause.
type DeadLetters struct {
	Type   string
	Reason string
	Events int64
}

// Counts counts the events of this process since its start.
type Counts struct {
	Handled    int64
	Duplicates int64 // ignored
	Failed     int64 // attempts, including the last attempts of dead letters
	Gaps       int64 // events handled without their predecessors
}

type counters struct{ handled, duplicates, failed, gaps atomic.Int64 }

// countDuplicate counts and logs a duplicate.
func (i *Inbox) countDuplicate(ctx context.Context, m event.Message) {
	i.counters.duplicates.Add(1)
	i.log.InfoContext(ctx, "duplicate event ignored", "type", m.Type, "id", m.ID)
}

// Counts returns the counts of this process.
func (i *Inbox) Counts() Counts {
	return Counts{
		Handled: i.counters.handled.Load(), Duplicates: i.counters.duplicates.Load(),
		Failed: i.counters.failed.Load(), Gaps: i.counters.gaps.Load(),
	}
}

// Stats counts rows, cheaply enough for a call every few seconds.
func (i *Inbox) Stats(ctx context.Context) (Stats, error) {
	var s Stats
	var oldest int64
	_, err := database.One(ctx, i.db.Reader(), `
		SELECT COALESCE(sum(CASE state WHEN 'waiting' THEN 1 ELSE 0 END), 0),
			COALESCE(sum(CASE state WHEN 'retry' THEN 1 ELSE 0 END), 0), COALESCE(min(arrived_at), 0)
		FROM inbox_parked WHERE consumer = $1 AND state <> 'dead'`, []any{i.consumer}, &s.Waiting, &s.Retry, &oldest)
	if err == nil {
		s.Dead, err = database.All(ctx, i.db.Reader(), func(scan func(...any) error) (d DeadLetters, err error) {
			return d, scan(&d.Type, &d.Reason, &d.Events)
		}, `SELECT type, reason, count(*) FROM inbox_parked WHERE consumer = $1 AND state = 'dead'
			GROUP BY type, reason ORDER BY count(*) DESC, type, reason`, i.consumer)
	}
	if err == nil {
		s.DeduplicationIDs, err = i.db.Estimate(ctx, "inbox_event", "inbox_event", "true")
	}
	if err != nil {
		return Stats{}, fmt.Errorf("count events of the inbox: %w", err)
	}
	if oldest > 0 {
		s.Oldest = database.Time(oldest)
	}
	return s, nil
}
