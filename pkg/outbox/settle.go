package outbox

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"parley.internal/pkg/database"
)

// settle notes what became of a batch, and tries so until the database takes it:
// to publish it again would have its receivers see it twice. It gives up when
// ctx ends.
func (r *Relay) settle(ctx context.Context, res result) {
	for retry := relayRetryFirst; ; retry = min(2*retry, relayRetryMost) {
		settling, cancel := context.WithTimeout(ctx, relayTimeout)
		err := r.outbox.settle(settling, res)
		cancel()
		if err == nil {
			return
		}
		r.outbox.log.WarnContext(ctx, "published events not settled", "error", err, "retry", retry)
		if ctx.Err() != nil {
			return
		}
		wait(ctx, retry/2+rand.N(retry)) //nolint:gosec // Jitter is no secret.
	}
}

// settle is a statement for each outcome, and no transaction around them: a
// process that is stopped between two would keep the rows from its successor.
func (o *Outbox) settle(ctx context.Context, res result) error {
	now := time.Now()
	for _, step := range []struct {
		set string
		at  time.Time
		ids []string
	}{
		{"state = 'sent', sent_at = $1", now, res.sent},
		{"state = 'unroutable', due_at = $1", now.Add(unroutableRetry), res.unroutable},
	} {
		if err := o.update(ctx, step.set, database.Instant(step.at), step.ids); err != nil {
			return fmt.Errorf("settle published events: %w", err)
		}
	}
	if err := o.refuse(ctx, now.Add(refusedRetry), res.refused); err != nil {
		return fmt.Errorf("settle refused events: %w", err)
	}
	return nil
}

// update changes rows by their own ids: one with a smaller id may commit later.
func (o *Outbox) update(ctx context.Context, set string, at int64, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	table, args, err := o.db.Dialect.Table("t", 2, database.Column{Name: "id", Values: ids})
	if err != nil {
		return err
	}
	_, err = o.db.Exec(ctx, "UPDATE outbox_event SET "+set+" WHERE id IN (SELECT t.id FROM "+table+")", append([]any{at}, args...)...)
	return err //nolint:wrapcheck // settle says what it was doing.
}

func (o *Outbox) refuse(ctx context.Context, again time.Time, refused refusals) error {
	if len(refused.ids) == 0 {
		return nil
	}
	table, args, err := o.db.Dialect.Table("t", 2,
		database.Column{Name: "id", Values: refused.ids}, database.Column{Name: "error", Values: refused.errors})
	if err != nil {
		return err
	}
	_, err = o.db.Exec(ctx, "UPDATE outbox_event SET state = 'refused', due_at = $1, error = t.error FROM "+table+" WHERE outbox_event.id = t.id",
		append([]any{database.Instant(again)}, args...)...)
	return err //nolint:wrapcheck // settle says what it was doing.
}
