package outbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"parley.internal/pkg/database"
)

const (
	redoEvery = 250 * time.Millisecond
	redoBatch = 64
)

// Run handles what was parked, when its time has come, and forgets what came
// long ago, until ctx ends.
func (i *Inbox) Run(ctx context.Context) error {
	redo := time.NewTicker(redoEvery)
	defer redo.Stop()
	cleanup := time.NewTicker(cleanupEvery)
	defer cleanup.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-redo.C:
			err = i.redo(ctx, time.Now())
		case <-cleanup.C:
			err = i.cleanup(ctx, time.Now().Add(-inboxRetention))
		}
		if err != nil && ctx.Err() == nil {
			i.log.WarnContext(ctx, "inbox not swept", "error", err)
		}
	}
}

// heldUp is true of a parked event p that has an earlier one of its partition
// before it: an event behind one that is being retried keeps waiting, for its
// predecessor is known, and late for a reason.
const heldUp = `EXISTS (
	SELECT 1 FROM inbox_parked AS before
	WHERE before.consumer = p.consumer AND before.partition_key = p.partition_key AND before.partition_key <> ''
	AND before.sequence < p.sequence AND before.state <> 'dead')`

// redo tries each parked event that is due.
func (i *Inbox) redo(ctx context.Context, now time.Time) error {
	due, err := database.All(ctx, i.db.Query(ctx), scanParked, `
		SELECT `+parkedColumns+` FROM inbox_parked AS p
		WHERE consumer = $1 AND state <> 'dead' AND due_at <= $2 AND NOT `+heldUp+`
		ORDER BY due_at, sequence LIMIT $3`,
		i.consumer, database.Instant(now), redoBatch)
	if err != nil {
		return fmt.Errorf("read parked events: %w", err)
	}
	var failures []error // One that cannot be stored does not keep the others waiting.
	for _, p := range due {
		if err := i.again(ctx, p); err != nil {
			failures = append(failures, fmt.Errorf("handle parked event %s: %w", p.ID, err))
		}
	}
	return errors.Join(failures...)
}

// again handles a parked event: a retry, or one whose predecessor has not come
// in time.
func (i *Inbox) again(ctx context.Context, p parked) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), inboxTimeout)
	defer cancel()
	err := i.db.InTx(ctx, func(ctx context.Context, tx *database.Tx) error {
		if p.Ordered() {
			if _, err := i.position(ctx, tx, p.PartitionKey); err != nil {
				return err
			}
		}
		claimed, err := i.claim(ctx, tx, p)
		if err != nil || !claimed {
			return err
		}
		if err := i.handle(ctx, tx, p.Message, p.attempts+1); err != nil {
			return err
		}
		if !p.Ordered() {
			return nil
		}
		if p.state == stateWaiting {
			i.log.WarnContext(ctx, "gap in a partition", "type", p.Type, "id", p.ID, "sequence", p.Sequence)
		}
		return i.advance(ctx, tx, p.Message)
	})
	failure, ok := errors.AsType[*handlerError](err)
	if !ok {
		return err
	}
	return i.db.InTx(ctx, func(ctx context.Context, tx *database.Tx) error {
		if failure.message.ID != p.ID {
			return i.postpone(ctx, tx, failure) // It was released by p, which is tried again.
		}
		return i.failed(ctx, tx, failure)
	})
}

// claim takes a parked event out, and reports whether it was still there to be
// handled: another node may have been faster.
func (i *Inbox) claim(ctx context.Context, tx *database.Tx, p parked) (bool, error) {
	n, err := database.Affected(tx.ExecContext(ctx, `
		DELETE FROM inbox_parked AS p
		WHERE consumer = $1 AND id = $2 AND state = $3 AND attempts = $4 AND NOT `+heldUp,
		i.consumer, p.ID, p.state, p.attempts))
	if err != nil {
		return false, fmt.Errorf("claim: %w", err)
	}
	return n == 1, nil
}

func (i *Inbox) cleanup(ctx context.Context, before time.Time) error {
	for {
		n, err := database.Affected(i.db.Exec(ctx, `
			DELETE FROM inbox_event WHERE consumer = $1 AND id IN (
				SELECT id FROM inbox_event WHERE consumer = $1 AND arrived_at < $2 LIMIT $3)`,
			i.consumer, database.Instant(before), cleanupChunk))
		if err != nil {
			return fmt.Errorf("clean up the inbox: %w", err)
		}
		if n < cleanupChunk {
			return nil
		}
	}
}
