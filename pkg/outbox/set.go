package outbox

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
)

const (
	setMost = 64              // messages that one transaction receives
	setTime = 5 * time.Second // then a set is committed as far as it has come
	// nestedEvents is how many events share a nested transaction, which is what
	// one failure costs. One for each event would cost two thirds of the speed.
	nestedEvents = 16
)

// set is what one transaction handles: some events, and those that waited for
// them. However many there are, the number of its statements is the same, but
// for the handlers' and what failures need.
type set struct {
	*Inbox

	tx     *database.Tx
	places map[place]*partition
	items  []*item         // what came, or is due
	plan   []*item         // what is handled, in this order
	left   []event.Message // what there was no time for; it is as if it had not come
	failed *failure        // the last one

	stopped <-chan struct{} // what is not begun when this is closed is left, too

	alone bool // one event came: it needs no nested transaction to be told from others
	tried bool // and it failed once
}

// item is an event in a set.
type item struct {
	parked

	kept     bool       // it has a row among the parked
	released bool       // it waited for another one of the set
	forced   bool       // it is handled even if its predecessor is missing
	late     bool       // its successors have been handled
	tried    bool       // it failed once
	place    *partition // nil: it has no order
	outcome  outcome
}

type outcome uint8

const (
	isOpen    outcome = iota // it waits, for its predecessor or for its turn
	isHandled                //
	isFailed                 //
	isLeft                   // there was no time for it
)

// blocked reports whether an event that failed in this transaction is before it.
func (it *item) blocked() bool { return it.place != nil && it.place.blocked && !it.late }

// receive handles what of a batch has not come before.
func (s *set) receive(ctx context.Context, batch []event.Message) error {
	fresh, err := s.remember(ctx, batch)
	if err != nil {
		return err
	}
	for _, m := range fresh {
		s.items = append(s.items, &item{parked: parked{Message: m}, tried: s.tried})
	}
	return s.handle(ctx)
}

// handle handles the items and what they release, and stores what became of
// them.
func (s *set) handle(ctx context.Context) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	return s.handleLocked(ctx)
}

func (s *set) handleLocked(ctx context.Context) error {
	if err := s.waiting(ctx); err != nil {
		return err
	}
	s.order()
	if err := s.run(ctx); err != nil {
		return err
	}
	return s.store(ctx)
}

// give stores an item that failed in another transaction, and spoiled that.
func (s *set) give(ctx context.Context, failed *failure) error {
	it := failed.item
	fresh := []event.Message{it.Message}
	if !it.kept {
		var err error
		if fresh, err = s.remember(ctx, fresh); err != nil {
			return err
		}
	}
	if len(fresh) == 0 {
		return nil // Somebody else was faster.
	}
	again := &item{parked: it.parked, kept: it.kept}
	s.items = []*item{again}
	if err := s.lock(ctx); err != nil {
		return err
	}
	again.late = again.place != nil && again.Sequence <= again.place.last
	s.fail(ctx, &failure{item: again, err: failed.err})
	return s.store(ctx)
}

// order decides what is handled, and in which order, if nothing fails.
func (s *set) order() {
	for _, it := range s.items {
		p := it.place
		switch {
		case p == nil:
			s.plan = append(s.plan, it)
		case it.Sequence <= p.planned:
			it.late = true
			s.plan = append(s.plan, it)
		case it.Sequence == p.planned+1 || it.forced:
			for next := it; next != nil; next = p.waiting[p.planned+1] {
				s.plan = append(s.plan, next)
				p.planned = next.Sequence
			}
		case p.waiting[it.Sequence] == nil:
			p.waiting[it.Sequence] = it
		default: // Another event with its number; it has its turn when it has waited long enough.
		}
	}
}

// run calls the handlers. A failure undoes a nested transaction; what was before
// it is done again, and then it. An event that has just come fails if it does so
// twice.
func (s *set) run(ctx context.Context) error {
	until := time.Now().Add(s.setTime)
	size, rest := nestedEvents, s.plan
	for len(rest) > 0 && (len(rest) == len(s.plan) || s.hasTime(until)) {
		some := rest[:min(size, len(rest))]
		n, err := s.try(ctx, some, until)
		if err == nil {
			for _, it := range some[:n] {
				s.succeed(it)
			}
			rest, size = rest[n:], nestedEvents
			continue
		}
		failed, told := errors.AsType[*failure](err)
		if !told {
			if n == 0 { // Not even a handler was called.
				return err
			}
			// A handler has hidden an error of the database, which gave up on it.
			failed = &failure{item: some[0], err: err}
		}
		s.failed = failed
		switch {
		case database.IsConflict(err) || ctx.Err() != nil || s.bare():
			return err
		case told && n > 0:
			failed.item.tried, size = true, n
		case told && !failed.isFinal():
			failed.item.tried = true
		case told || len(some) == 1:
			s.fail(ctx, failed)
			rest, size = rest[1:], nestedEvents
		default:
			size = (len(some) + 1) / 2
		}
	}
	s.leave(rest)
	return nil
}

// isFinal reports whether there is no point in trying again at once.
func (f *failure) isFinal() bool { return f.item.tried || f.item.kept || event.IsPermanent(f.err) }

// isHopeless reports whether there is no point in trying again at all. A broken
// rule of the database may be mended by who was writing at the same time.
func (f *failure) isHopeless() bool {
	return event.IsPermanent(f.err) || database.IsRefused(f.err) && !database.IsConstraint(f.err)
}

// bare reports whether the handler runs in the transaction itself: two
// statements less, and with a failure all of it is undone.
func (s *set) bare() bool { return s.alone && len(s.plan) == 1 }

// try calls the handlers of some items, at least one and until a time, in a
// nested transaction. It reports how many succeeded, or could not be called.
func (s *set) try(ctx context.Context, some []*item, until time.Time) (n int, err error) {
	nested := func(work func() error) error { return s.tx.Nested(ctx, work) }
	if s.bare() {
		nested = func(work func() error) error { return work() }
	}
	err = nested(func() error {
		begun := time.Now()
		defer func() { s.took(n, time.Since(begun)) }()
		for ; n < len(some) && (n == 0 || s.hasTime(until)); n++ {
			it := some[n]
			if it.blocked() {
				continue
			}
			if err := s.router.Dispatch(ctx, s.tx, it.Message); err != nil {
				return &failure{item: it, err: err}
			}
			s.tx.AfterCommit(func() {
				s.counts.handled.Add(1)
				s.log.InfoContext(ctx, "event handled", "type", it.Type, "id", it.ID)
			})
		}
		return nil
	})
	return n, err
}

// hasTime reports whether another handler may be called.
func (s *set) hasTime(until time.Time) bool {
	select {
	case <-s.stopped:
		return false
	default:
		return time.Now().Before(until)
	}
}

func (s *set) succeed(it *item) {
	if it.blocked() {
		return
	}
	it.outcome = isHandled
	if it.place != nil {
		it.place.last = max(it.place.last, it.Sequence)
	}
}

// fail decides what becomes of an item that failed: to be tried again, or dead.
// Its successors wait for it, unless it is dead.
func (s *set) fail(ctx context.Context, failed *failure) {
	it := failed.item
	it.outcome = isFailed
	it.attempts++
	it.err = failed.err.Error()
	s.counts.failed.Add(1)
	if failed.isHopeless() || it.attempts >= retryAttempts {
		it.state = stateDead
		s.log.ErrorContext(ctx, "event is dead", "type", it.Type, "id", it.ID, "attempts", it.attempts, "error", it.err)
	} else {
		backoff := min(retryFirst<<(it.attempts-1), retryMost)
		it.state, it.due = stateRetry, time.Now().Add(backoff/2+rand.N(backoff)) //nolint:gosec // Jitter is no secret.
		s.log.WarnContext(ctx, "event failed", "type", it.Type, "id", it.ID, "attempts", it.attempts, "error", it.err)
	}
	switch {
	case it.place == nil || it.late:
	case it.state == stateDead:
		it.place.last = it.Sequence
	default:
		it.place.blocked = true
	}
}

// leave takes out what there was no time for.
func (s *set) leave(rest []*item) {
	for _, it := range rest {
		switch {
		case it.blocked():
		case it.kept && it.place != nil:
			it.place.hurry = true
		case !it.kept:
			it.outcome = isLeft
			s.left = append(s.left, it.Message)
		default:
		}
	}
}
