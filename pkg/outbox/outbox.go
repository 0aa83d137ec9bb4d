// Package outbox carries events out of one database transaction and into
// another.
//
// Its promise: an event exists when the transaction that wrote it commits, and
// not otherwise; it then is published until somebody has taken it, and takes
// effect in each consumer's database once, in the order of its partition,
// whatever dies in between.
//
// Outbox writes and Relay publishes on the telling side; Inbox receives on the
// side that is told. Both keep their tables in the service's own database: see
// Migrate.
package outbox

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
)

//go:embed migrations
var migrations embed.FS

// Migrate makes the tables of Outbox and Inbox in db.
func Migrate(ctx context.Context, db *database.DB) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return fmt.Errorf("read migrations of outbox: %w", err)
	}
	return database.Migrate(ctx, db, "outbox", files)
}

// Outbox holds the events of one service until its Relay has published them.
// It is safe for concurrent use.
type Outbox struct {
	db     *database.DB
	source string
	log    *slog.Logger
	woken  chan struct{} // holds one token: something was written since the relay looked
}

// New is the outbox in db of the service that events name as their source.
func New(db *database.DB, source string, log *slog.Logger) *Outbox {
	return &Outbox{db: db, source: source, log: log, woken: make(chan struct{}, 1)}
}

// Write records events in the transaction that they tell about. Events of one
// partition key are numbered in the order of the transactions that write them;
// an empty key means that they have no order.
func (o *Outbox) Write(ctx context.Context, tx *database.Tx, partitionKey string, events ...event.Event) error {
	if len(events) == 0 {
		return nil
	}
	sequence, err := number(ctx, tx, partitionKey, len(events))
	if err != nil {
		return err
	}
	for _, e := range events {
		if err := o.record(ctx, tx, partitionKey, sequence, e); err != nil {
			return fmt.Errorf("record %s: %w", e.Type(), err)
		}
		if partitionKey != "" {
			sequence++
		}
	}
	tx.AfterCommit(o.wake)
	return nil
}

func (o *Outbox) record(ctx context.Context, tx *database.Tx, partitionKey string, sequence int64, e event.Event) error {
	data, err := json.Marshal(e)
	if err != nil {
		return err //nolint:wrapcheck // Write says what it was doing.
	}
	id, err := uuid.NewV7()
	if err != nil {
		return err //nolint:wrapcheck // As above.
	}
	_, err = tx.ExecContext(ctx, `
		INSERT INTO outbox_event
			(id, type, partition_key, sequence, traceparent, data, recorded_at, state, due_at, sent_at)
		VALUES ($1, $2, $3, $4, '', $5, $6, 'pending', 0, 0)`,
		id.String(), e.Type(), partitionKey, sequence, data, database.Instant(time.Now()))
	if err != nil {
		return err //nolint:wrapcheck // As above.
	}
	tx.AfterCommit(func() {
		event.Caused(ctx, id.String())
		o.log.InfoContext(ctx, "event stored", "type", e.Type(), "id", id.String(),
			"partition", partitionKey, "sequence", sequence)
	})
	return nil
}

// number takes n numbers of the partition and returns the first. It holds the
// partition's row until the transaction ends, so that numbers commit in order.
func number(ctx context.Context, tx *database.Tx, partitionKey string, n int) (int64, error) {
	if partitionKey == "" {
		return 0, nil
	}
	var last int64
	_, err := database.One(ctx, tx, `
		INSERT INTO outbox_partition (partition_key, sequence) VALUES ($1, $2)
		ON CONFLICT (partition_key) DO UPDATE SET sequence = outbox_partition.sequence + excluded.sequence
		RETURNING sequence`, []any{partitionKey, n}, &last)
	if err != nil {
		return 0, fmt.Errorf("number the events of %s: %w", partitionKey, err)
	}
	return last - int64(n) + 1, nil
}

func (o *Outbox) wake() {
	select {
	case o.woken <- struct{}{}:
	default: // It has been woken and has not looked yet.
	}
}
