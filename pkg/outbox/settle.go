package outbox

import (
	"context"
	"errors"
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
	for backoff := (retry.Backoff{First: retryFirst, Limit: retryLimit}); ; backoff.Wait(ctx) {
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
	}
}

// storeOutcome runs a statement for each state, without a transaction: a process that
// is suspended between two statements would keep the rows from its successor. The
// rows are addressed by their ids: a row with a smaller id may commit later.
func (o *Outbox) storeOutcome(ctx context.Context, result outcome) error {
	update := func(statement string, at time.Time, ids []string, more ...database.Column) error {
		if len(ids) == 0 {
			return nil
		}
		columns := append([]database.Column{{Name: "id", Values: ids}}, more...)
		text, args, err := o.db.Dialect.WithTable(statement, columns, database.Instant(at))
		if err == nil {
			_, err = o.db.Exec(ctx, text, args...)
		}
		return err
	}
	now := time.Now()
	return errors.Join(
		update("UPDATE outbox_event SET state = 'sent', sent_at = $1 WHERE id IN (SELECT t.id FROM %s)",
			now, result.sent),
		update("UPDATE outbox_event SET state = 'unroutable', due_at = $1 WHERE id IN (SELECT t.id FROM %s)",
			now.Add(unroutableRetry), result.unroutable),
		update("UPDATE outbox_event SET state = 'rejected', due_at = $1, error = t.reason FROM %s WHERE outbox_event.id = t.id",
			now.Add(rejectedRetry), result.rejected, database.Column{Name: "reason", Values: result.reasons}),
	)
}
