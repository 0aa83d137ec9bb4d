// Package outbox publishes the events of a service: the transactional outbox.
//
// Write stores events in the transaction that caused them. An event exists when the
// transaction commits, and not otherwise. A Relay then publishes the event until the
// broker confirms it, whatever process dies in between: at least once, in the order
// of its partition key. Consumers deduplicate, see package inbox.
//
// An unroutable event (no queue is bound to its type) or a rejected event (the broker
// cannot accept it, for example because it is too large) waits apart, visible to
// operators, and is retried from time to time. Later events of its partition are
// published meanwhile: consumers wait for the missing event, but not for ever.
package outbox

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
)

//go:embed migrations
var migrations embed.FS

// Migrate creates the tables of Outbox in db.
func Migrate(ctx context.Context, db *database.DB) error {
	return database.Migrate(ctx, db, "outbox", migrations)
}

// The states of an event.
const (
	statePending    = "pending"
	stateUnroutable = "unroutable"
	stateRejected   = "rejected"
	stateSent       = "sent"
)

// Outbox stores the events of a service until its Relay has published them. An
// Outbox is safe for concurrent use.
type Outbox struct {
	db      *database.DB
	source  string
	log     *slog.Logger
	written chan struct{} // holds a single token: Write committed since the relay's last read
}

// New returns the outbox in db of a service; source is the service's name in its
// events.
func New(db *database.DB, source string, log *slog.Logger) *Outbox {
	return &Outbox{db: db, source: source, log: log, written: make(chan struct{}, 1)}
}

// Write stores events in tx. The events of a partition key are numbered in the order
// of the commits of their transactions. An empty key means no order.
func (o *Outbox) Write(ctx context.Context, tx *database.Tx, partitionKey string, events ...event.Event) error {
	if len(events) == 0 {
		return nil
	}
	rows := make([]event.Message, len(events))
	for n, e := range events {
		data, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("store event %s: %w", e.Type(), err)
		}
		rows[n] = event.Message{ID: uuid.Must(uuid.NewV7()).String(), Type: e.Type(), Data: data}
	}
	last, err := o.store(ctx, tx, partitionKey, rows)
	if err != nil {
		return fmt.Errorf("store event %s: %w", rows[0].Type, err)
	}
	tx.AfterCommit(func() {
		for n, r := range rows {
			event.Caused(ctx, r.ID)
			o.log.InfoContext(ctx, "event stored", "type", r.Type, "id", r.ID,
				"partition", partitionKey, "sequence", max(last-int64(len(rows)-1-n), 0))
		}
		o.wakeRelay()
	})
	return nil
}

// numbering takes %d numbers of the partition $1 and returns the last number. The row
// of the partition stays locked until the transaction ends: numbers commit in order.
const numbering = `
	INSERT INTO outbox_partition (partition_key, sequence) VALUES ($1, %d)
	ON CONFLICT (partition_key) DO UPDATE SET sequence = outbox_partition.sequence + excluded.sequence
	RETURNING sequence`

// store numbers and inserts events and returns the last number, 0 without an order. A
// purchase waits for these statements, so PostgreSQL runs both as a single statement.
func (o *Outbox) store(ctx context.Context, tx *database.Tx, partitionKey string, rows []event.Message) (last int64, err error) {
	numbers, with := fmt.Sprintf(numbering, len(rows)), ""
	newest, step := "(SELECT sequence FROM outbox_partition WHERE partition_key = $1)", 1
	switch {
	case partitionKey == "":
		newest, step = "0", 0
	case o.db.Dialect == database.Postgres:
		newest, with = "(SELECT sequence FROM partition)", "WITH partition AS ("+numbers+")"
	default:
		if _, err := tx.ExecContext(ctx, numbers, partitionKey); err != nil {
			return 0, err
		}
	}
	var values []string
	args := []any{partitionKey, database.Instant(time.Now())}
	for n, r := range rows {
		values = append(values, fmt.Sprintf("($%d, $%d, $%d, %s - %d, $1, $2, '', 'pending', 0, 0)",
			len(args)+1, len(args)+2, len(args)+3, newest, step*(len(rows)-1-n)))
		args = append(args, r.ID, r.Type, r.Data)
	}
	sequences, err := database.All(ctx, tx, func(scan func(...any) error) (n int64, err error) { return n, scan(&n) },
		with+`INSERT INTO outbox_event
		(id, type, data, sequence, partition_key, recorded_at, traceparent, state, due_at, sent_at)
		VALUES `+strings.Join(values, ", ")+" RETURNING sequence", args...)
	if err != nil {
		return 0, err
	}
	return slices.Max(sequences), nil
}

// wakeRelay lets the relay of this process read at once.
func (o *Outbox) wakeRelay() {
	select {
	case o.written <- struct{}{}:
	default: // A token is waiting.
	}
}
