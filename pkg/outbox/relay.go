package outbox

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
)

const (
	relayBatch      = 256
	relayPoll       = time.Second            // finds what a lost wake-up left behind
	relayRetryFirst = 50 * time.Millisecond  // after the transport refused something
	relayRetryMost  = time.Second            //
	refusedRetry    = 250 * time.Millisecond // a row that was refused lets others go first for so long
	relayTimeout    = 30 * time.Second       // for one batch, published and settled
	unroutableRetry = 30 * time.Second       // somebody may have bound a queue
	sentRetention   = 7 * 24 * time.Hour     // sent rows are the replay log
	cleanupEvery    = time.Minute            //
	cleanupChunk    = 1000                   // rows deleted in one transaction
)

// Relay publishes what is in an outbox.
type Relay struct {
	outbox     *Outbox
	publisher  event.Publisher
	unroutable atomic.Int64
}

// Unroutable is how many events nobody is bound to, as of the last second. They
// are tried again twice a minute.
func (r *Relay) Unroutable() int64 { return r.unroutable.Load() }

// NewRelay makes the relay of o. One relay runs on a database at a time.
func NewRelay(o *Outbox, p event.Publisher) *Relay {
	return &Relay{outbox: o, publisher: p}
}

// Run publishes until ctx ends: at once when this process wrote something,
// within a second when anybody did. A transport or a database in trouble is
// weather: it tries again for ever. The batch in hand is finished.
func (r *Relay) Run(ctx context.Context) error {
	poll := time.NewTicker(relayPoll)
	defer poll.Stop()
	cleanup := time.NewTicker(cleanupEvery)
	defer cleanup.Stop()
	retry := relayRetryFirst
	for ctx.Err() == nil {
		more, err := r.pass(ctx)
		switch {
		case errors.Is(err, event.ErrUnavailable): // It has been waited for.
			retry = relayRetryFirst
			continue
		case err != nil && ctx.Err() == nil:
			r.outbox.log.WarnContext(ctx, "events not relayed", "error", err, "retry", retry)
			wait(ctx, retry/2+rand.N(retry)) //nolint:gosec // Jitter is no secret.
			retry = min(2*retry, relayRetryMost)
			continue
		case more:
			retry = relayRetryFirst
			continue
		}
		retry = relayRetryFirst
		select {
		case <-ctx.Done():
		case <-r.outbox.woken:
		case <-poll.C:
			r.count(ctx)
		case <-cleanup.C:
			if err := r.outbox.cleanup(ctx, time.Now().Add(-sentRetention)); err != nil && ctx.Err() == nil {
				r.outbox.log.WarnContext(ctx, "sent events not cleaned up", "error", err)
			}
		}
	}
	return nil
}

// count looks how many events are unroutable; a partial index knows.
func (r *Relay) count(ctx context.Context) {
	var n int64
	_, err := database.One(ctx, r.outbox.db.Query(ctx), "SELECT count(*) FROM outbox_event WHERE state = 'unroutable'", nil, &n)
	if err == nil { // Else the next pass says what is wrong.
		r.unroutable.Store(n)
	}
}

// pass publishes one batch and settles it: each row by its own id, for a row
// with a smaller one may commit later. It reports whether there may be more.
func (r *Relay) pass(ctx context.Context) (more bool, err error) {
	batch, err := r.outbox.pending(ctx)
	if err != nil || len(batch) == 0 {
		return false, err
	}
	// Once begun, a batch is finished: stopping in the middle would only have
	// its receivers see it twice.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), relayTimeout)
	defer cancel()
	var sent, unroutable, later []string
	var refused []error
	for i, err := range r.publisher.Publish(ctx, batch) {
		switch {
		case err == nil:
			sent = append(sent, batch[i].ID)
			r.outbox.log.InfoContext(ctx, "event published", "type", batch[i].Type, "id", batch[i].ID)
		case errors.Is(err, event.ErrUnroutable):
			unroutable = append(unroutable, batch[i].ID)
		default:
			if !errors.Is(err, event.ErrUnavailable) { // Then all wait alike.
				later = append(later, batch[i].ID)
			}
			refused = append(refused, fmt.Errorf("publish %s %s: %w", batch[i].Type, batch[i].ID, err))
		}
	}
	if err := r.outbox.settle(ctx, sent, unroutable, later); err != nil {
		return false, err
	}
	for _, id := range unroutable {
		r.outbox.log.WarnContext(ctx, "event is unroutable", "id", id)
	}
	if len(refused) > 0 {
		return false, fmt.Errorf("%d of %d: %w", len(refused), len(batch), refused[0])
	}
	return len(batch) >= relayBatch, nil
}

func (o *Outbox) pending(ctx context.Context) ([]event.Message, error) {
	scan := func(scan func(...any) error) (event.Message, error) {
		m := event.Message{Source: o.source}
		var at int64
		err := scan(&m.ID, &m.Type, &m.PartitionKey, &m.Sequence, &m.TraceParent, &m.Data, &at)
		m.Time = database.Time(at)
		return m, err
	}
	// Each half walks its own partial index: what was sent costs nothing.
	const columns = "id, type, partition_key, sequence, traceparent, data, recorded_at"
	batch, err := database.All(ctx, o.db.Query(ctx), scan, `
		SELECT * FROM (SELECT `+columns+` FROM outbox_event
			WHERE state = 'pending' AND due_at <= $2 ORDER BY id LIMIT $1) AS pending
		UNION ALL
		SELECT * FROM (SELECT `+columns+` FROM outbox_event
			WHERE state = 'unroutable' AND due_at <= $2 ORDER BY due_at LIMIT $1) AS again`,
		relayBatch, database.Instant(time.Now()))
	if err != nil {
		return nil, fmt.Errorf("read pending events: %w", err)
	}
	return batch, nil
}

func (o *Outbox) settle(ctx context.Context, sent, unroutable, refused []string) error {
	now := time.Now()
	err := o.db.InTx(ctx, func(ctx context.Context, tx *database.Tx) error {
		err := update(ctx, tx, "state = 'sent', sent_at = $1", database.Instant(now), sent)
		if err != nil {
			return err
		}
		err = update(ctx, tx, "state = 'unroutable', due_at = $1",
			database.Instant(now.Add(unroutableRetry)), unroutable)
		if err != nil {
			return err
		}
		return update(ctx, tx, "due_at = $1", database.Instant(now.Add(refusedRetry)), refused)
	})
	if err != nil {
		return fmt.Errorf("settle published events: %w", err)
	}
	return nil
}

func update(ctx context.Context, tx *database.Tx, set string, at int64, ids []string) error {
	if len(ids) == 0 {
		return nil
	}
	args := []any{at}
	for _, id := range ids {
		args = append(args, id)
	}
	_, err := tx.ExecContext(ctx, "UPDATE outbox_event SET "+set+" WHERE id IN "+database.List(2, len(ids)), args...)
	return err //nolint:wrapcheck // settle says what it was doing.
}

// cleanup forgets what was sent before a time, a bounded chunk in a
// transaction, so that it never holds up a purchase for long.
func (o *Outbox) cleanup(ctx context.Context, before time.Time) error {
	for {
		n, err := database.Affected(o.db.Exec(ctx, `
			DELETE FROM outbox_event WHERE id IN (
				SELECT id FROM outbox_event WHERE state = 'sent' AND sent_at < $1 LIMIT $2)`,
			database.Instant(before), cleanupChunk))
		if err != nil {
			return fmt.Errorf("clean up sent events: %w", err)
		}
		if n < cleanupChunk {
			return nil
		}
	}
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
