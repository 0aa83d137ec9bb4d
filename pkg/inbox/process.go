package inbox

import (
	"cmp"
	"context"
	"fmt"

	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
	"parley.internal/pkg/inbox/order"
	"parley.internal/pkg/retry"
)

// processBatch handles events in a transaction, or in several if BatchTime is over. If
// an event aborts the transaction, each event is handled alone.
func (i *Inbox) processBatch(ctx context.Context, events []event.Message) error {
	for len(events) > 0 {
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
				if err := i.processSingle(ctx, m, single && b.failed != nil); err != nil {
					return err
				}
			}
			return nil
		}
	}
	return nil
}

// processSingle handles a single event, and parks the event if it aborts even its own
// transaction. attempted says that its handler has failed once.
func (i *Inbox) processSingle(ctx context.Context, m event.Message, attempted bool) error {
	for {
		b, err := i.transaction(ctx, func(ctx context.Context, b *batch) error {
			return b.limitLockWait(ctx, func() error { return b.receive(ctx, []event.Message{m}, attempted) })
		})
		switch {
		case err == nil:
			return nil
		case !isolatable(ctx, b, err):
			return err
		}
		failed := cmp.Or(b.failed, &failure{item: &item{stored: stored{Message: m}}, err: err})
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

// transaction runs work on a new batch in a transaction. A deadlock is retried: no event
// is to blame. The end of ctx leaves a transaction three seconds to commit: a stopping
// transport leaves no commit in doubt. Afterwards no transaction begins.
func (i *Inbox) transaction(ctx context.Context, work func(context.Context, *batch) error) (*batch, error) {
	const attempts = 3
	if ctx.Err() != nil {
		return &batch{}, fmt.Errorf("return unhandled events to the transport: %w", context.Cause(ctx))
	}
	if err := i.clock.syncOnce(ctx); err != nil {
		return &batch{}, err
	}
	stop := ctx.Done() // when closed, no further handler is called
	graceful, release := retry.WithGrace(ctx, stopTimeout)
	defer release()
	for attempt := 1; ; attempt++ {
		b := &batch{}
		ctx, cancel := context.WithTimeout(graceful, i.timeout())
		err := i.db.InTx(ctx, func(tx *database.Tx) error {
			*b = batch{
				Inbox: i, tx: tx, stop: stop, rows: rows{tx: tx, consumer: i.consumer},
				order: order.NewSequencer[*item](tx, i.consumer),
			}
			return work(ctx, b)
		})
		cancel()
		if !database.IsConflict(err) || attempt == attempts {
			return b, err
		}
	}
}
