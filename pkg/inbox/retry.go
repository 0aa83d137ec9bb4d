package inbox

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
	"parley.internal/pkg/inbox/order"
	"parley.internal/pkg/retry"
)

// The retry policy: the backoff doubles from a second to ten minutes, with jitter; the
// event is a dead letter after the last attempt, some 27 minutes later.
const (
	retryFirst    = time.Second
	retryLimit    = 10 * time.Minute
	retryAttempts = 12
)

const (
	dueEvents = 64              // due events per transaction
	lockShare = 3               // a statement waits for a lock at most this part of the timeout: a lock timeout differs from a slow handler
	lockPause = 5 * time.Second // the pause after a lock timeout
)

// fail parks an event whose handler failed: for a retry, or as a dead letter.
func (b *batch) fail(ctx context.Context, it *item, err error) {
	it.outcome = isFailed
	it.attempts++
	it.err = err.Error()
	b.counters.failed.Add(1)
	if isHopeless(err) || it.attempts >= retryAttempts {
		it.state = stateDead
		b.log.ErrorContext(ctx, "event became a dead letter", "type", it.Type, "id", it.ID, "attempts", it.attempts, "error", it.err)
	} else {
		it.state = stateRetry
		it.due = database.Instant(b.clock.now().Add(retry.Jitter(retry.Exponential(retryFirst, retryLimit, it.attempts))))
		b.log.WarnContext(ctx, "event failed", "type", it.Type, "id", it.ID, "attempts", it.attempts, "error", it.err)
	}
	it.Failed(it.state == stateDead)
}

// isHopeless reports whether retries are pointless. A broken constraint may be caused
// by another transaction and may mend.
func isHopeless(err error) bool {
	return event.IsPermanent(err) || database.IsRejected(err) && !database.IsConstraint(err)
}

// ProcessDue handles the parked events that are due: retries, and events whose
// predecessor has not arrived in time. Run calls it several times a second.
func (i *Inbox) ProcessDue(ctx context.Context) error {
	if err := i.clock.sync(ctx); err != nil {
		return err
	}
	for ctx.Err() == nil {
		now := i.clock.now()
		due, err := database.All(ctx, i.db.Reader(), scanParked, selectDue,
			i.consumer, database.Instant(now), database.Instant(i.gapsUntil(now)), dueEvents)
		if err != nil {
			return fmt.Errorf("read due events: %w", err)
		}
		if len(due) == 0 {
			return nil
		}
		handled, err := i.processParked(ctx, fitting(due))
		if err != nil || !handled {
			return err
		}
	}
	return nil
}

// hasPredecessor is true of a parked event p with an earlier parked event in the same
// partition: p waits on, because the predecessor is known and being retried.
const hasPredecessor = `EXISTS (
	SELECT 1 FROM inbox_parked AS before
	WHERE before.consumer = p.consumer AND before.source = p.source
	AND before.partition_key = p.partition_key AND before.partition_key <> ''
	AND before.sequence < p.sequence AND before.state <> 'dead')`

// selectDue selects due events of consumer $1: retries until $2, waiting events until
// $3.
const selectDue = `
	SELECT ` + parkedColumns + `
	FROM (SELECT 'retry' AS state, CAST($2 AS bigint) AS until UNION ALL SELECT 'waiting', CAST($3 AS bigint)) AS due
	CROSS JOIN inbox_parked AS p -- SQLite keeps this order of tables
	WHERE p.consumer = $1 AND p.state = due.state AND p.due_at <= due.until AND p.state <> 'dead' AND NOT ` + hasPredecessor + `
	ORDER BY p.due_at, p.sequence LIMIT $4`

// gapsUntil returns the due time up to which waiting events are handled without their
// predecessors: the events are due, or GapTimeout ago the inbox had caught up with their
// arrival.
func (i *Inbox) gapsUntil(now time.Time) time.Time {
	caughtUp := i.progress.AsOf(i.clock.local().Add(-i.gapTimeout()))
	if caughtUp.IsZero() {
		return now
	}
	if gap := i.clock.shared(caughtUp).Add(gapLimit); gap.After(now) {
		return gap
	}
	return now
}

// fitting returns the first events that fit into memory together.
func fitting(due []stored) []stored {
	room := int64(order.MemoryLimit)
	for n, p := range due {
		if room -= p.size; room < 0 {
			return due[:max(n, 1)]
		}
	}
	return due
}

// processParked handles due events in a transaction; if an event aborts the
// transaction, each event is handled alone. It reports whether an event was handled.
func (i *Inbox) processParked(ctx context.Context, due []stored) (handled bool, err error) {
	b, err := i.transaction(ctx, func(ctx context.Context, b *batch) error {
		return b.limitLockWait(ctx, func() error { return b.retry(ctx, due) })
	})
	switch {
	case err == nil:
		return slices.ContainsFunc(b.order.Events(), func(it *item) bool { return it.outcome == isHandled }), nil
	case !isolatable(ctx, b, err):
		return false, err
	case len(due) > 1:
		for _, p := range due {
			alone, err := i.processParked(ctx, []stored{p})
			if err != nil {
				return false, err
			}
			handled = handled || alone
		}
		return handled, nil
	}
	return false, i.recordFailure(ctx, cmp.Or(b.failed, &failure{item: &item{stored: due[0], parked: true}, err: err}))
}

// retry handles due events, unless another process was faster.
func (b *batch) retry(ctx context.Context, due []stored) error {
	for _, p := range due {
		it := &item{stored: p, parked: true}
		it.Overdue = true
		b.order.Add(it, p.Message)
	}
	if err := b.order.Lock(ctx); err != nil {
		return err
	}
	claimed, err := b.rows.claim(ctx, b.order.Events(), b.db.Dialect)
	if err != nil {
		return err
	}
	b.order.Retain(func(it *item) bool {
		data, found := claimed[keyOf(it.Message)]
		it.Data = data
		return found
	})
	for _, it := range b.order.Events() {
		if it.AfterGap() {
			b.counters.gaps.Add(1)
			b.log.WarnContext(ctx, "gap in a partition", "type", it.Type, "id", it.ID, "sequence", it.Sequence)
		}
	}
	return b.process(ctx)
}

const selectClaimed = `
	SELECT p.source, p.id, p.data FROM inbox_parked AS p
	WHERE (p.consumer, p.source, p.id, p.state, p.attempts) IN (SELECT consumer, source, id, state, attempts FROM %s)
		AND NOT ` + hasPredecessor

// claim locks the rows of parked events and returns the bodies of events whose rows have
// not changed since they were read.
func (r rows) claim(ctx context.Context, items []*item, d database.Dialect) (map[eventKey][]byte, error) {
	columns := append(r.keys(items),
		database.NewColumn("state", items, func(it *item) string { return it.state }),
		database.NewColumn("attempts", items, func(it *item) int64 { return it.attempts }))
	bodies, err := r.queryData(ctx, selectClaimed+d.SkipLocked(), columns)
	if err != nil {
		return nil, fmt.Errorf("claim %d parked events: %w", len(items), err)
	}
	return bodies, nil
}

// recordFailure parks an event in a transaction of its own after the event has aborted
// its transaction.
func (i *Inbox) recordFailure(ctx context.Context, failed *failure) error {
	row := failed.item.stored
	if failed.item.outcome == isFailed { // The aborted transaction counted an attempt.
		row.attempts--
	}
	_, err := i.transaction(ctx, func(ctx context.Context, b *batch) error {
		it := &item{stored: row, parked: failed.item.parked}
		if !it.parked {
			fresh, err := b.deduplicate(ctx, []event.Message{it.Message})
			if err != nil || len(fresh) == 0 { // Another process was faster.
				return err
			}
		}
		b.order.Add(it, it.Message)
		if err := b.order.Lock(ctx); err != nil {
			return err
		}
		if it.parked { // After the partition, like all transactions.
			if found, err := b.rows.lockParked(ctx, it, b.db.Dialect); err != nil || !found {
				return err
			}
		}
		if database.IsLockTimeout(failed.err) {
			b.pause(ctx, it, failed.err)
		} else {
			it.MarkLate()
			b.fail(ctx, it, failed.err)
		}
		return b.store(ctx)
	})
	return err
}

// lockParked locks the row of a parked event and reports whether the event is still to
// be handled: another process may have been faster.
func (r rows) lockParked(ctx context.Context, it *item, d database.Dialect) (bool, error) {
	var state string
	found, err := database.One(ctx, r.tx,
		"SELECT state FROM inbox_parked WHERE consumer = $1 AND source = $2 AND id = $3"+d.ForUpdate(),
		[]any{r.consumer, it.Source, it.ID}, &state)
	if err != nil {
		return false, fmt.Errorf("lock parked event %s: %w", it.ID, err)
	}
	return found && state != stateDead, nil
}

// limitLockWait runs work and returns the failure of a handler that waited too long for
// a row lock. Lock timeouts are transient: the transaction is rolled back and not counted
// as an attempt. Only events after a failure pay for the limit's statement.
func (b *batch) limitLockWait(ctx context.Context, work func() error) error {
	if b.db.Dialect == database.Postgres { // A transaction of SQLite waits before it begins.
		limit := max(b.timeout()/lockShare, time.Millisecond).Milliseconds()
		if _, err := b.tx.ExecContext(ctx, fmt.Sprintf("SET LOCAL lock_timeout = %d", limit)); err != nil {
			return fmt.Errorf("limit the wait for locks: %w", err)
		}
	}
	err := work()
	if err == nil && b.failed != nil && database.IsLockTimeout(b.failed.err) {
		return b.failed
	}
	return err
}

// pause parks an event after a lock timeout. Its retries have no limit.
func (b *batch) pause(ctx context.Context, it *item, err error) {
	it.outcome, it.state, it.err = isFailed, stateRetry, err.Error()
	it.due = database.Instant(b.clock.now().Add(lockPause))
	b.log.WarnContext(ctx, "event waits for a lock", "type", it.Type, "id", it.ID, "error", it.err)
}
