package inbox

import (
	"cmp"
	"context"
	"fmt"

	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
	"parley.internal/pkg/retry"
)

// processBatch handles events in a transaction, or in several if BatchTime is over. If
// an event aborts the transaction, each event is handled alone.
func (i *Inbox) processBatch(ctx context.Context, events []event.Message) error {
	for len(events) > 0 {
		if err := stopped(ctx, len(events)); err != nil {
			return err
		}
		single := len(events) == 1
		b, err := i.transaction(ctx, func(ctx context.Context, b *batch) error {
			b.single = single
			return b.receive(ctx, events, false)
		})
		switch {
		case err == nil:
			events = b.deferred
		case !isolatable(ctx, b, err):
			return err
		case single && b.failed != nil && event.IsPermanent(b.failed.err): // A second attempt would fail, too.
			return i.recordFailure(ctx, b.failed)
		default:
			for _, m := range events {
				if err := i.processAlone(ctx, m, single && b.failed != nil); err != nil {
					return err
				}
			}
			return nil
		}
	}
	return nil
}

// processAlone handles a single event, and parks the event if it aborts even its own
// transaction. Attempted says that its handler has failed once.
func (i *Inbox) processAlone(ctx context.Context, m event.Message, attempted bool) error {
	for {
		if err := stopped(ctx, 1); err != nil {
			return err
		}
		b, err := i.transaction(ctx, func(ctx context.Context, b *batch) error {
			if err := b.limitLockWait(ctx); err != nil {
				return err
			}
			return cmp.Or(b.receive(ctx, []event.Message{m}, attempted), b.lockTimeout())
		})
		switch {
		case err == nil:
			return nil
		case !isolatable(ctx, b, err):
			return err
		}
		failed := b.failed
		if failed == nil {
			failed = &failure{item: &item{stored: stored{Message: m}}, err: err}
		}
		own := !failed.item.parked
		if err := i.recordFailure(ctx, failed); err != nil || own {
			return err
		}
		// A parked successor of m failed; m itself is still to be handled.
	}
}

// isolatable reports whether a failed transaction was aborted by an event, so
// handling the events apart helps; not by a stop or an unavailable database.
func isolatable(ctx context.Context, b *batch, err error) bool {
	return ctx.Err() == nil && (b.failed != nil || database.IsRejected(err))
}

// stopped returns an error if ctx has ended: no new transaction may begin.
func stopped(ctx context.Context, events int) error {
	if ctx.Err() == nil {
		return nil
	}
	return fmt.Errorf("return %d unhandled events to the transport: %w", events, context.Cause(ctx))
}

// transaction runs work on a new batch in a transaction. A deadlock is retried: no event
// is to blame. The end of ctx leaves a transaction three seconds to commit: a stopping
// transport leaves no commit in doubt.
func (i *Inbox) transaction(ctx context.Context, work func(context.Context, *batch) error) (*batch, error) {
	const attempts = 3
	if err := i.clock.syncOnce(ctx); err != nil {
		return &batch{}, err
	}
	stop := ctx.Done()
	graceful, release := retry.WithGrace(ctx, stopTimeout)
	defer release()
	for attempt := 1; ; attempt++ {
		var b *batch
		ctx, cancel := context.WithTimeout(graceful, i.timeout())
		err := i.db.InTx(ctx, func(tx *database.Tx) error {
			b = newBatch(i, tx, stop)
			return work(ctx, b)
		})
		cancel()
		if b == nil { // The transaction did not begin.
			b = &batch{}
		}
		if !database.IsConflict(err) || attempt == attempts {
			return b, err
		}
	}
}
