package inbox

import (
	"context"
	"fmt"
	"slices"
	"time"

	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
	"parley.internal/pkg/inbox/order"
)

// savepointEvents is how many events share a savepoint, and have to be handled again
// after a failure.
const savepointEvents = 16

// batch holds the events of a transaction: new or due events, and the parked events
// released by them. The number of statements does not depend on the number of events,
// except for the statements of handlers and failures.
type batch struct {
	*Inbox

	tx       *database.Tx
	rows     rows
	order    *order.Sequencer[*item]
	released []*item         // parked events whose predecessors are in the batch
	plan     []*item         // the events to handle, in order
	deferred []event.Message // events without time left; to the database they have not arrived
	failed   *failure        // the last failure

	stop      <-chan struct{} // when closed, no further handler is called
	single    bool            // the batch received a single event: no savepoint is needed to isolate it
	attempted bool            // and its handler failed once
}

// item is an event of a batch.
type item struct {
	order.Slot
	stored

	parked  bool // the event has a row
	outcome outcome
}

type outcome uint8

const (
	isWaiting outcome = iota // for its predecessor, or for its turn
	isHandled
	isFailed   //
	isDeferred // there was no time for it
)

// failure is the error of an event's handler.
type failure struct {
	item *item
	err  error
}

func (f *failure) Error() string { return fmt.Sprintf("handle event %s: %v", f.item.ID, f.err) }
func (f *failure) Unwrap() error { return f.err }

// receive handles events, except duplicates.
func (b *batch) receive(ctx context.Context, events []event.Message, attempted bool) error {
	b.attempted = attempted
	fresh, err := b.deduplicate(ctx, events)
	if err != nil {
		return err
	}
	for _, m := range fresh {
		b.order.Add(&item{stored: stored{Message: m}}, m)
	}
	if err := b.order.Lock(ctx); err != nil {
		return err
	}
	return b.process(ctx)
}

// process handles the events and the released events, and stores the outcomes. The
// partitions are locked.
func (b *batch) process(ctx context.Context) error {
	if err := b.release(ctx); err != nil {
		return err
	}
	b.plan = b.order.Plan()
	if err := b.handle(ctx); err != nil {
		return err
	}
	return b.store(ctx)
}

// release adds parked events whose predecessors are in the batch.
func (b *batch) release(ctx context.Context) error {
	ranges := b.order.Ranges()
	if len(ranges) == 0 {
		return nil
	}
	found, err := b.rows.waiting(ctx, ranges)
	if err != nil || len(found) == 0 {
		return err
	}
	own := make(map[eventKey]bool)
	for _, it := range b.order.Events() {
		own[keyOf(it.Message)] = true
	}
	for _, p := range found {
		it := &item{stored: p, parked: true}
		if !own[keyOf(p.Message)] && b.order.Release(it, p.Message, p.size) {
			b.released = append(b.released, it)
		}
	}
	return b.rows.loadData(ctx, b.released)
}

// handle calls the handlers of the plan until BatchTime is over.
func (b *batch) handle(ctx context.Context) error {
	deadline := time.Now().Add(b.batchTime())
	handling := bisection[*item]{
		group:   savepointEvents,
		try:     func(items []*item) (int, error, error) { return b.dispatch(ctx, items, deadline) },
		hasTime: func() bool { return b.hasTime(deadline) },
		final: func(it *item, err error) bool {
			return b.attempted || it.parked || event.IsPermanent(err)
		},
		abort: func(it *item, err error) error {
			b.failed = &failure{item: it, err: err}
			if database.IsConflict(err) || ctx.Err() != nil || b.withoutSavepoint() {
				return b.failed
			}
			return nil
		},
		handled: func(items []*item) {
			for _, it := range items {
				if !it.Blocked() {
					it.outcome = isHandled
					it.Handled()
				}
			}
		},
		failed: func(it *item, err error) { b.fail(ctx, it, err) },
	}
	rest, err := handling.run(b.plan)
	for _, it := range rest {
		if !it.Blocked() {
			it.outcome = isDeferred
		}
	}
	return err
}

// dispatch calls the handlers of items under a savepoint, at least the first handler
// and until a deadline; see bisection.try.
func (b *batch) dispatch(ctx context.Context, items []*item, deadline time.Time) (done int, itemErr, err error) {
	savepoint := b.tx.Savepoint
	if b.withoutSavepoint() {
		savepoint = func(_ context.Context, fn func() error) error { return fn() }
	}
	err = savepoint(ctx, func() error {
		begun := time.Now()
		defer func() { b.observe(done, time.Since(begun)) }()
		for ; done < len(items) && (done == 0 || b.hasTime(deadline)); done++ {
			it := items[done]
			if it.Blocked() {
				continue
			}
			if itemErr = b.router.Dispatch(ctx, b.tx, it.Message); itemErr != nil {
				return itemErr
			}
			b.tx.AfterCommit(func() {
				b.counters.handled.Add(1)
				b.log.InfoContext(ctx, "event handled", "type", it.Type, "id", it.ID)
			})
		}
		return nil
	})
	if itemErr != nil {
		return done, err, nil
	}
	return done, nil, err
}

// withoutSavepoint reports whether the only event of the batch is handled in the
// transaction itself, which saves two statements: its failure rolls everything back.
func (b *batch) withoutSavepoint() bool { return b.single && len(b.plan) == 1 }

// hasTime reports whether another handler may be called.
func (b *batch) hasTime(deadline time.Time) bool {
	select {
	case <-b.stop:
		return false
	default:
		return time.Now().Before(deadline)
	}
}

// store stores the outcomes of all events and the progress of their partitions.
func (b *batch) store(ctx context.Context) error {
	var handled, parked, undone []*item
	for _, it := range slices.Concat(b.order.Events(), b.released) {
		switch {
		case it.outcome == isHandled && it.parked:
			handled = append(handled, it)
		case it.outcome == isFailed:
			parked = append(parked, it)
		case it.outcome == isDeferred && it.parked:
			it.Deferred()
		case it.outcome == isDeferred:
			undone = append(undone, it)
			b.deferred = append(b.deferred, it.Message)
		case it.outcome == isWaiting && !it.parked:
			it.state, it.due = stateWaiting, database.Instant(b.clock.now().Add(gapLimit))
			parked = append(parked, it)
		default:
		}
	}
	next, err := b.order.Store(ctx)
	if err != nil {
		return err
	}
	for _, step := range []struct {
		do    func(context.Context, []*item) error
		items []*item
	}{{b.rows.unpark, handled}, {b.rows.park, parked}, {b.rows.deleteIDs, undone}} {
		if len(step.items) == 0 {
			continue
		}
		if err := step.do(ctx, step.items); err != nil {
			return err
		}
	}
	if len(next) > 0 {
		return b.rows.makeDue(ctx, next, b.clock.now())
	}
	return nil
}
