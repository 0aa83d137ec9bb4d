package outbox

import (
	"context"
	"fmt"
	"time"

	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
)

const (
	// lockPatience is the part of a transaction's time that a statement waits for
	// others' locks, so that this is told from a handler that takes too long.
	lockPatience = 3
	lockRest     = 5 * time.Second // and then the event rests so long
)

// boundLocks has statements of this transaction fail if they wait for a lock for
// too long. It is for a transaction that handles one event, after another one
// failed: those that are well do without this statement.
func (s *set) boundLocks(ctx context.Context) error {
	if s.db.Dialect != database.Postgres {
		return nil // A transaction of SQLite waits before it begins.
	}
	_, err := s.tx.ExecContext(ctx, fmt.Sprintf("SET LOCAL lock_timeout = %d", max(s.timeout/lockPatience, time.Millisecond).Milliseconds()))
	if err != nil {
		return fmt.Errorf("bound the wait for locks: %w", err)
	}
	return nil
}

// lockedOut is the error of a set in which a handler waited for a lock in vain:
// that is weather, and nothing of it is to be stored.
func (s *set) lockedOut() error {
	if s.failed != nil && database.IsLocked(s.failed.err) {
		return s.failed
	}
	return nil
}

// setAside stores an item that failed in another transaction, and spoiled that. A
// parked one may be no longer there, because another process was faster.
func (i *Inbox) setAside(ctx context.Context, failed *failure) error {
	if failed.item.outcome == isFailed { // It was counted there, and that was undone.
		failed.item.outcome = isOpen
		failed.item.attempts--
	}
	_, err := i.transact(ctx, func(ctx context.Context, s *set) error {
		if failed.item.kept {
			// Its partition first, as everybody does.
			it := &item{parked: failed.item.parked, kept: true}
			s.items = []*item{it}
			if err := s.lock(ctx); err != nil {
				return err
			}
			there, err := s.isThere(ctx, it)
			if err != nil || !there {
				return err
			}
		}
		if database.IsLocked(failed.err) {
			return s.postpone(ctx, failed)
		}
		return s.give(ctx, failed)
	})
	return err
}

// isThere reports whether a parked item still is, and locks it.
func (s *set) isThere(ctx context.Context, it *item) (bool, error) {
	var state string
	there, err := database.One(ctx, s.tx,
		"SELECT state FROM inbox_parked WHERE consumer = $1 AND source = $2 AND id = $3"+s.db.Dialect.ForUpdate(),
		[]any{s.consumer, it.Source, it.ID}, &state)
	if err != nil {
		return false, fmt.Errorf("look for parked event %s: %w", it.ID, err)
	}
	return there && state != stateDead, nil
}

// postpone stores an item whose handler waited for a lock in vain: it is tried
// again, as often as it takes.
func (s *set) postpone(ctx context.Context, failed *failure) error {
	was := failed.item
	fresh := []event.Message{was.Message}
	if !was.kept {
		var err error
		if fresh, err = s.remember(ctx, fresh); err != nil || len(fresh) == 0 {
			return err
		}
	}
	it := &item{parked: was.parked, kept: was.kept, outcome: isFailed}
	it.state, it.due, it.err = stateRetry, time.Now().Add(lockRest), failed.err.Error()
	s.items = []*item{it}
	if err := s.lock(ctx); err != nil {
		return err
	}
	s.log.WarnContext(ctx, "event waits for a lock", "type", it.Type, "id", it.ID, "error", it.err)
	return s.store(ctx)
}
