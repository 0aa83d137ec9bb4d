package outbox

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
)

// The states of a parked event.
const (
	stateWaiting = "waiting" // for its predecessor
	stateRetry   = "retry"   // its handler failed
	stateDead    = "dead"    // it is an operator's now
)

type parked struct {
	event.Message

	state    string
	attempts int
	due      time.Time
	err      string
}

const parkedColumns = "id, state, type, source, recorded_at, partition_key, sequence, traceparent, data, attempts"

func scanParked(scan func(...any) error) (parked, error) {
	var p parked
	var at int64
	err := scan(&p.ID, &p.state, &p.Type, &p.Source, &at, &p.PartitionKey, &p.Sequence, &p.TraceParent, &p.Data,
		&p.attempts)
	p.Time = database.Time(at)
	return p, err
}

// park keeps an event, or changes what is kept of it.
func (i *Inbox) park(ctx context.Context, tx *database.Tx, p parked) error {
	if p.ID == "" {
		p.ID = uuid.NewString() // It came without one; here it needs a name.
	}
	due := int64(0)
	if !p.due.IsZero() {
		due = database.Instant(p.due)
	}
	_, err := tx.ExecContext(ctx, `
		INSERT INTO inbox_parked (consumer, `+parkedColumns+`, due_at, error, arrived_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
		ON CONFLICT (consumer, id) DO UPDATE
		SET state = excluded.state, attempts = excluded.attempts, due_at = excluded.due_at, error = excluded.error`,
		i.consumer, p.ID, p.state, p.Type, p.Source, database.Instant(p.Time), p.PartitionKey, p.Sequence,
		p.TraceParent, p.Data, p.attempts, due, plain(p.err), database.Instant(time.Now()))
	if err != nil {
		return fmt.Errorf("park event %s: %w", p.ID, err)
	}
	return nil
}

func (i *Inbox) unpark(ctx context.Context, tx *database.Tx, id string) error {
	_, err := tx.ExecContext(ctx, "DELETE FROM inbox_parked WHERE consumer = $1 AND id = $2", i.consumer, id)
	if err != nil {
		return fmt.Errorf("unpark event %s: %w", id, err)
	}
	return nil
}

// position is the number of the newest event of a partition that was handled.
// It locks the partition until tx ends: of several consumers of one database,
// each looks at what the one before it has done.
func (i *Inbox) position(ctx context.Context, tx *database.Tx, partitionKey string) (last int64, err error) {
	_, err = database.One(ctx, tx, `
		INSERT INTO inbox_partition (consumer, partition_key, sequence) VALUES ($1, $2, 0)
		ON CONFLICT (consumer, partition_key) DO UPDATE SET sequence = inbox_partition.sequence
		RETURNING sequence`, []any{i.consumer, partitionKey}, &last)
	if err != nil {
		return 0, fmt.Errorf("look up partition %s: %w", partitionKey, err)
	}
	return last, nil
}

// advance notes that m was handled, and handles those that waited for it. An
// event that came after its successors does not set the partition back.
func (i *Inbox) advance(ctx context.Context, tx *database.Tx, m event.Message) error {
	last := m.Sequence
	for {
		_, err := tx.ExecContext(ctx, `
			INSERT INTO inbox_partition (consumer, partition_key, sequence) VALUES ($1, $2, $3)
			ON CONFLICT (consumer, partition_key) DO UPDATE SET sequence = excluded.sequence
			WHERE inbox_partition.sequence < excluded.sequence`, i.consumer, m.PartitionKey, last)
		if err != nil {
			return fmt.Errorf("advance partition %s: %w", m.PartitionKey, err)
		}
		next, err := i.successor(ctx, tx, m.PartitionKey, last)
		if err != nil || next == nil {
			return err
		}
		if err := i.unpark(ctx, tx, next.ID); err != nil {
			return err
		}
		if err := i.handle(ctx, tx, next.Message, next.attempts+1); err != nil {
			return err
		}
		last = next.Sequence
	}
}

func (i *Inbox) successor(ctx context.Context, tx *database.Tx, partitionKey string, last int64) (*parked, error) {
	all, err := database.All(ctx, tx, scanParked, `
		SELECT `+parkedColumns+` FROM inbox_parked
		WHERE consumer = $1 AND partition_key = $2 AND sequence = $3 AND state = 'waiting'`,
		i.consumer, partitionKey, last+1)
	if err != nil {
		return nil, fmt.Errorf("look for what waits for %s %d: %w", partitionKey, last, err)
	}
	if len(all) == 0 {
		return nil, nil //nolint:nilnil // Nothing waits.
	}
	return &all[0], nil
}
