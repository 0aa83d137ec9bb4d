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
	rows := make([]row, len(events))
	for n, e := range events {
		data, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("store event %s: %w", e.Type(), err)
		}
		id, err := uuid.NewV7()
		if err != nil {
			return fmt.Errorf("store event %s: %w", e.Type(), err)
		}
		rows[n] = row{id: id.String(), eventType: e.Type(), data: data}
	}
	last, err := o.store(ctx, tx, partitionKey, rows)
	if err != nil {
		return fmt.Errorf("store event %s: %w", rows[0].eventType, err)
	}
	tx.AfterCommit(func() {
		for n, r := range rows {
			event.Caused(ctx, r.id)
			o.log.InfoContext(ctx, "event stored", "type", r.eventType, "id", r.id,
				"partition", partitionKey, "sequence", max(last-int64(len(rows)-1-n), 0))
		}
		o.wakeRelay()
	})
	return nil
}

// row is a new event.
type row struct {
	id, eventType string
	data          []byte
}

// numbering takes %d numbers of the partition $1 and returns the last number. The row
// of the partition stays locked until the transaction ends: numbers commit in order.
const numbering = `
	INSERT INTO outbox_partition (partition_key, sequence) VALUES ($1, %d)
	ON CONFLICT (partition_key) DO UPDATE SET sequence = outbox_partition.sequence + excluded.sequence
	RETURNING sequence`

// store numbers and inserts events and returns the last number. A purchase waits for
// these statements, so PostgreSQL runs both inserts as a single statement.
func (o *Outbox) store(ctx context.Context, tx *database.Tx, partitionKey string, rows []row) (last int64, err error) {
	numbers := fmt.Sprintf(numbering, len(rows))
	if partitionKey == "" {
		return 0, insert(ctx, tx, partitionKey, 0, rows)
	}
	if o.db.Dialect != database.Postgres {
		if _, err := database.One(ctx, tx, numbers, []any{partitionKey}, &last); err != nil {
			return 0, err
		}
		return last, insert(ctx, tx, partitionKey, last, rows)
	}
	values, args := insertion(partitionKey, rows, "(SELECT sequence FROM partition) - ", func(n int) int { return len(rows) - 1 - n })
	sequences, err := database.All(ctx, tx, func(scan func(...any) error) (n int64, err error) { return n, scan(&n) },
		"WITH partition AS ("+numbers+") "+values+" RETURNING sequence", args...)
	if err != nil {
		return 0, err
	}
	return slices.Max(sequences), nil
}

// insert stores events; last is the number of the last event, 0 without an order.
func insert(ctx context.Context, tx *database.Tx, partitionKey string, last int64, rows []row) error {
	values, args := insertion(partitionKey, rows, "", func(n int) int { return max(int(last)-(len(rows)-1-n), 0) })
	_, err := tx.ExecContext(ctx, values, args...)
	return err
}

// insertion returns the INSERT of events and its arguments. The sequence of the nth
// event is an expression followed by number(n).
func insertion(partitionKey string, rows []row, sequence string, number func(n int) int) (statement string, args []any) {
	args = []any{partitionKey, database.Instant(time.Now())}
	var values []string
	for n, r := range rows {
		at := len(args)
		values = append(values, fmt.Sprintf("($%d, $%d, $%d, %s$%d, $1, $2, '', 'pending', 0, 0)", at+1, at+2, at+3, sequence, at+4))
		args = append(args, r.id, r.eventType, r.data, number(n))
	}
	return `INSERT INTO outbox_event
		(id, type, data, sequence, partition_key, recorded_at, traceparent, state, due_at, sent_at)
		VALUES ` + strings.Join(values, ", "), args
}

// wakeRelay lets the relay of this process read at once.
func (o *Outbox) wakeRelay() {
	select {
	case o.written <- struct{}{}:
	default: // A token is waiting.
	}
}
