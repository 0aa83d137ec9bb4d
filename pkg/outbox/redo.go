package outbox

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"parley.internal/pkg/database"
)

const (
	redoEvery = 250 * time.Millisecond
	redoBatch = 64 // in one transaction, or as many as have no more than atOnce together
)

// Run handles what was parked, when its time has come, and forgets what came
// long ago, until ctx ends.
func (i *Inbox) Run(ctx context.Context) error {
	var cleaning sync.WaitGroup
	defer cleaning.Wait()
	cleaning.Go(func() {
		repeat(ctx, cleanupEvery, func() {
			if err := i.cleanup(ctx, time.Now().Add(-i.retention())); err != nil && ctx.Err() == nil {
				i.log.WarnContext(ctx, "handled events not forgotten", "error", err)
			}
		})
	})
	repeat(ctx, redoEvery, func() {
		if err := i.redo(ctx, time.Now()); err != nil && ctx.Err() == nil {
			i.log.WarnContext(ctx, "parked events not handled", "error", err)
		}
	})
	return nil
}

// repeat calls do at intervals until ctx ends.
func repeat(ctx context.Context, every time.Duration, do func()) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			do()
		}
	}
}

// heldUp is true of a parked event p that has an earlier one of its partition
// before it: an event behind one that is being retried keeps waiting, for its
// predecessor is known, and late for a reason.
const heldUp = `EXISTS (
	SELECT 1 FROM inbox_parked AS before
	WHERE before.consumer = p.consumer AND before.source = p.source
	AND before.partition_key = p.partition_key AND before.partition_key <> ''
	AND before.sequence < p.sequence AND before.state <> 'dead')`

// nextDue are the next that are due of consumer $1: retries until $2, and those
// that wait until $3.
const nextDue = `
	SELECT ` + parkedColumns + `
	FROM (SELECT 'retry' AS state, CAST($2 AS bigint) AS until UNION ALL SELECT 'waiting', CAST($3 AS bigint)) AS due
	CROSS JOIN inbox_parked AS p -- SQLite keeps to this order
	WHERE p.consumer = $1 AND p.state = due.state AND p.due_at <= due.until AND p.state <> 'dead' AND NOT ` + heldUp + `
	ORDER BY p.due_at, p.sequence LIMIT $4`

// waitedFrom bounds the due times of what waits no longer: it has been due, or
// it came before all that the inbox had been given a while ago, and its
// predecessor has not come in that while.
func (i *Inbox) waitedFrom(now time.Time) time.Time {
	caughtUp := i.progress.asOf(now.Add(-i.patience))
	if gap := caughtUp.Add(orderMost); gap.After(now) && !caughtUp.IsZero() {
		return gap
	}
	return now
}

// redo tries what is due, as long as it comes forward.
func (i *Inbox) redo(ctx context.Context, now time.Time) error {
	if err := i.learn(ctx); err != nil {
		return err
	}
	for ctx.Err() == nil {
		due, err := database.All(ctx, i.db.Reader(), scanParked, nextDue,
			i.consumer, i.instant(now), i.instant(i.waitedFrom(now)), redoBatch)
		if err != nil {
			return fmt.Errorf("read parked events: %w", err)
		}
		if len(due) == 0 {
			return nil
		}
		forward, err := i.again(ctx, fitting(due))
		if err != nil || !forward {
			return err
		}
	}
	return nil
}

// fitting are the first of due, as many as have room.
func fitting(due []parked) []parked {
	room := int64(atOnce)
	for n, p := range due {
		if room -= p.size; room < 0 {
			return due[:max(n, 1)]
		}
	}
	return due
}

// again handles parked events: retries, and those whose predecessor has not come
// in time. It reports whether one of them is no longer parked.
func (i *Inbox) again(ctx context.Context, due []parked) (forward bool, err error) {
	s, err := i.transact(ctx, func(ctx context.Context, s *set) error {
		if err := s.boundLocks(ctx); err != nil {
			return err
		}
		return cmp.Or(s.redo(ctx, due), s.lockedOut())
	})
	switch {
	case err == nil:
		return s.isForward(), nil
	case ctx.Err() != nil || s.failed == nil && !database.IsRefused(err):
		return false, err
	case len(due) > 1: // One of them spoiled the transaction for all: find out which.
		for n, p := range due {
			if err := handBack(ctx, len(due)-n); err != nil {
				return forward, err
			}
			one, err := i.again(ctx, []parked{p})
			if err != nil {
				return false, err
			}
			forward = forward || one
		}
		return forward, nil
	}
	failed := s.failed
	if failed == nil {
		failed = &failure{item: &item{parked: due[0], kept: true}, err: err}
	}
	return false, i.setAside(ctx, failed)
}

func (s *set) isForward() bool {
	return slices.ContainsFunc(s.items, func(it *item) bool { return it.outcome == isHandled })
}

// redo handles those of due that are still there: another node may have been
// faster.
func (s *set) redo(ctx context.Context, due []parked) error {
	for _, p := range due {
		s.items = append(s.items, &item{parked: p, kept: true, forced: true})
	}
	if err := s.lock(ctx); err != nil {
		return err
	}
	if err := s.claim(ctx); err != nil {
		return err
	}
	for _, it := range s.items {
		if it.place != nil && it.Sequence > it.place.last+1 {
			s.counts.gaps.Add(1)
			s.log.WarnContext(ctx, "gap in a partition", "type", it.Type, "id", it.ID, "sequence", it.Sequence)
		}
	}
	return s.handleLocked(ctx)
}

const claiming = `
	SELECT p.source, p.id, p.data FROM inbox_parked AS p
	WHERE (p.consumer, p.source, p.id, p.state, p.attempts) IN (SELECT consumer, source, id, state, attempts FROM %s)
		AND NOT ` + heldUp

// claim drops the items that are no longer as they were, and reads the bodies of
// the others.
func (s *set) claim(ctx context.Context) error {
	columns := s.names(s.items)
	var states []string
	var attempts []int64
	for _, it := range s.items {
		states, attempts = append(states, it.state), append(attempts, it.attempts)
	}
	columns = append(columns,
		database.Column{Name: "state", Values: states}, database.Column{Name: "attempts", Values: attempts})
	there, err := query(ctx, s, scanBody, claiming+s.db.Dialect.SkipLocked(), columns)
	if err != nil {
		return fmt.Errorf("claim %d parked events: %w", len(s.items), err)
	}
	claimed := make(map[name][]byte, len(there))
	for _, b := range there {
		claimed[b.name] = b.data
	}
	var items []*item
	for _, it := range s.items {
		if data, is := claimed[nameOf(it.Message)]; is {
			it.Data = data
			items = append(items, it)
		}
	}
	s.items = items
	return nil
}

// aging is the statement that forgets what came before $1 to consumer $2, at most
// $3, of a table with a primary key. That begins with the consumer, and is not to
// be looked through for it.
const aging = `DELETE FROM %[1]s WHERE (%[2]s) IN (
	SELECT %[2]s FROM %[1]s WHERE arrived_at < $1 AND consumer || '' = $2 ORDER BY arrived_at LIMIT $3%[3]s)`

// cleanup forgets what came before a time, in chunks. It rests between them, so
// that those who write have most of the time.
func (i *Inbox) cleanup(ctx context.Context, before time.Time) error {
	skip := i.db.Dialect.SkipLocked()
	for _, statement := range []string{
		fmt.Sprintf(aging, "inbox_event", "consumer, source, id", skip),
		fmt.Sprintf(aging, "inbox_event_unsourced", "consumer, id", skip),
	} {
		err := inChunks(ctx, func() (int64, error) {
			return database.Affected(i.db.Exec(ctx, statement, database.Instant(before), i.consumer, cleanupChunk))
		})
		if err != nil {
			return fmt.Errorf("clean up the inbox: %w", err)
		}
	}
	return nil
}

// inChunks calls do until it did less than a chunk, and rests after each call
// for four times as long as that took.
func inChunks(ctx context.Context, do func() (int64, error)) error {
	for ctx.Err() == nil {
		begun := time.Now()
		n, err := do()
		if err != nil || n < cleanupChunk {
			return err
		}
		wait(ctx, 4*time.Since(begun))
	}
	return nil
}
