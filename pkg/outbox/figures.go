package outbox

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"parley.internal/pkg/database"
)

// Figures are how an outbox is doing.
type Figures struct {
	Pending    int64     // not published yet
	Oldest     time.Time // when the oldest of them was recorded; zero: there is none
	Unroutable int64     // nobody is bound to their type
	Refused    int64     // the transport does not take them
	Sent       int64     // published, and kept to be published again; about, if they are many
}

// Figures counts; it is cheap enough to be asked every few seconds.
func (o *Outbox) Figures(ctx context.Context) (Figures, error) {
	var f Figures
	var oldest int64
	_, err := database.One(ctx, o.db.Reader(), `
		SELECT (SELECT count(*) FROM outbox_event WHERE state = 'pending'),
			COALESCE((SELECT recorded_at FROM outbox_event WHERE state = 'pending' ORDER BY id LIMIT 1), 0),
			(SELECT count(*) FROM outbox_event WHERE state = 'unroutable'),
			(SELECT count(*) FROM outbox_event WHERE state = 'refused')`,
		nil, &f.Pending, &oldest, &f.Unroutable, &f.Refused)
	if err == nil {
		f.Sent, err = about(ctx, o.db, "outbox_event", "outbox_event_sent", "state = 'sent'")
	}
	if err != nil {
		return Figures{}, fmt.Errorf("count the outbox: %w", err)
	}
	if oldest > 0 {
		f.Oldest = database.Time(oldest)
	}
	return f, nil
}

// InboxFigures are how an inbox is doing.
type InboxFigures struct {
	Waiting    int64     // for their predecessors
	Retry      int64     // their handlers failed, and are tried again
	Oldest     time.Time // when the oldest of these came; zero: there is none
	Dead       []DeadLetters
	Remembered int64 // ids of all consumers of the database; about, if they are many
}

// DeadLetters are events that nobody tries any more, for the same reason.
type DeadLetters struct {
	Type   string
	Reason string
	Events int64
}

// InboxCounts is what this process's inbox has done since it started.
type InboxCounts struct {
	Handled int64
	Again   int64 // copies, which had no effect
	Failed  int64 // attempts; a dead letter's last one among them
	Gaps    int64 // handled although their predecessor never came
}

type counts struct{ handled, again, failed, gaps atomic.Int64 }

// Counts may be asked at any time.
func (i *Inbox) Counts() InboxCounts {
	return InboxCounts{
		Handled: i.counts.handled.Load(), Again: i.counts.again.Load(),
		Failed: i.counts.failed.Load(), Gaps: i.counts.gaps.Load(),
	}
}

// Figures counts; it is cheap enough to be asked every few seconds.
func (i *Inbox) Figures(ctx context.Context) (InboxFigures, error) {
	var f InboxFigures
	var oldest int64
	_, err := database.One(ctx, i.db.Reader(), `
		SELECT COALESCE(sum(CASE state WHEN 'waiting' THEN 1 ELSE 0 END), 0),
			COALESCE(sum(CASE state WHEN 'retry' THEN 1 ELSE 0 END), 0), COALESCE(min(arrived_at), 0)
		FROM inbox_parked WHERE consumer = $1 AND state <> 'dead'`, []any{i.consumer}, &f.Waiting, &f.Retry, &oldest)
	if err == nil {
		f.Dead, err = database.All(ctx, i.db.Reader(), func(scan func(...any) error) (d DeadLetters, err error) {
			return d, scan(&d.Type, &d.Reason, &d.Events)
		}, `SELECT type, reason, count(*) FROM inbox_parked WHERE consumer = $1 AND state = 'dead'
			GROUP BY type, reason ORDER BY count(*) DESC, type, reason`, i.consumer)
	}
	if err == nil {
		f.Remembered, err = about(ctx, i.db, "inbox_event", "inbox_event", "true")
	}
	if err != nil {
		return InboxFigures{}, fmt.Errorf("count the inbox: %w", err)
	}
	if oldest > 0 {
		f.Oldest = database.Time(oldest)
	}
	return f, nil
}

// aboutFrom is how many rows are no longer counted one by one.
const aboutFrom = 20_000

// countMost is how far SQLite counts, which knows no size of a table.
const countMost = 200_000

// about is how many rows there are: of many, what PostgreSQL knows of the table
// or index; SQLite counts, but not beyond countMost.
func about(ctx context.Context, db *database.DB, table, relation, where string) (n int64, err error) {
	if db.Dialect == database.Postgres {
		_, err := database.One(ctx, db.Reader(),
			"SELECT CAST(reltuples AS bigint) FROM pg_class WHERE oid = to_regclass('"+relation+"')", nil, &n)
		if err != nil || n > aboutFrom {
			return n, err
		}
	}
	_, err = database.One(ctx, db.Reader(),
		"SELECT count(*) FROM (SELECT 1 FROM "+table+" WHERE "+where+" LIMIT $1) AS counted", []any{countMost}, &n)
	return n, err
}
