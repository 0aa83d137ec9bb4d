package outbox

import (
	"context"
	"fmt"
	"time"

	"parley.internal/pkg/database"
	"parley.internal/pkg/retry"
)

// outcome holds the broker's answers to a batch.
type outcome struct {
	ids               []string // of all events of the batch
	sent, unroutable  []string
	rejected, reasons []string
	unavailable       bool // the transport is: unanswered events are published again at once
}

// settle stores the outcome of a batch and retries until the database accepts it:
// unsettled events would be published again. settle gives up when ctx ends.
func (r *Relay) settle(ctx context.Context, o outcome) {
	backoff := retry.Backoff{First: retryFirst, Limit: retryLimit}
	for {
		settling, cancel := context.WithTimeout(ctx, batchTimeout)
		err := r.outbox.storeOutcome(settling, o)
		cancel()
		if err == nil {
			return
		}
		r.outbox.log.WarnContext(ctx, "settling published events failed", "events", len(o.ids), "error", err)
		if ctx.Err() != nil {
			return
		}
		backoff.Wait(ctx)
	}
}

// storeOutcome runs a statement for each state, without a transaction: a process that
// is suspended between two statements would keep the rows from its successor. The
// rows are addressed by their ids: a row with a smaller id may commit later.
func (o *Outbox) storeOutcome(ctx context.Context, result outcome) error {
	now := time.Now()
	for _, update := range []struct {
		set     string
		at      time.Time
		ids     []string
		reasons []string
	}{
		{"state = 'sent', sent_at = $1", now, result.sent, nil},
		{"state = 'unroutable', due_at = $1", now.Add(unroutableRetry), result.unroutable, nil},
		{"state = 'rejected', due_at = $1, error = t.reason", now.Add(rejectedRetry), result.rejected, result.reasons},
	} {
		if len(update.ids) == 0 {
			continue
		}
		columns := []database.Column{{Name: "id", Values: update.ids}}
		statement := "UPDATE outbox_event SET " + update.set + " WHERE id IN (SELECT t.id FROM %s)"
		if update.reasons != nil {
			columns = append(columns, database.Column{Name: "reason", Values: update.reasons})
			statement = "UPDATE outbox_event SET " + update.set + " FROM %s WHERE outbox_event.id = t.id"
		}
		text, args, err := o.db.Dialect.WithTable(statement, columns, database.Instant(update.at))
		if err == nil {
			_, err = o.db.Exec(ctx, text, args...)
		}
		if err != nil {
			return fmt.Errorf("settle published events: %w", err)
		}
	}
	return nil
}
