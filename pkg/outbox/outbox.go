// Package outbox carries events out of one database transaction and into
// another.
//
// Its promise: an event exists when the transaction that wrote it commits, and
// not otherwise; it then is published until somebody has taken it, and takes
// effect in each consumer's database once, in the order of its partition,
// whatever dies in between.
//
// An event that nobody is bound to, or that the transport refuses, is put aside,
// where an operator sees it. What follows it in its partition is published all
// the same: those who are told wait for what is missing, but not for ever.
//
// A partition keeps its order although each type of event has a queue of its own:
// an event that overtakes its predecessor waits for it. How long a predecessor
// may still be on its way nobody can know, so the time that it is waited for, 30
// seconds, begins when the consumer has caught up with the moment in which the
// event came: when it has taken whatever had been published by then, in each
// queue. That moment comes under traffic that never ends, too, and not while the
// broker is away. What then still is missing was never published, is an
// operator's, or was in another process's hands all that time: the event is
// handled, and a gap counted. A consumer that does not know how far it has caught
// up, or does not come so far in a day, handles the event after that day.
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
	"slices"
	"strings"
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
	rows := make([]row, len(events))
	for n, e := range events {
		data, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("record %s: %w", e.Type(), err)
		}
		id, err := uuid.NewV7()
		if err != nil {
			return fmt.Errorf("record %s: %w", e.Type(), err)
		}
		rows[n] = row{id: id.String(), eventType: e.Type(), data: data}
	}
	last, err := o.record(ctx, tx, partitionKey, rows)
	if err != nil {
		return fmt.Errorf("record %s: %w", rows[0].eventType, err)
	}
	tx.AfterCommit(func() {
		for n, r := range rows {
			event.Caused(ctx, r.id)
			o.log.InfoContext(ctx, "event stored", "type", r.eventType, "id", r.id,
				"partition", partitionKey, "sequence", max(last-int64(len(rows)-1-n), 0))
		}
		o.wake()
	})
	return nil
}

// row is an event to be stored.
type row struct {
	id, eventType string
	data          []byte
}

// numbering takes %d numbers of the partition $1 and returns the last. It holds
// the partition's row until the transaction ends, so that numbers commit in
// order.
const numbering = `
	INSERT INTO outbox_partition (partition_key, sequence) VALUES ($1, %d)
	ON CONFLICT (partition_key) DO UPDATE SET sequence = outbox_partition.sequence + excluded.sequence
	RETURNING sequence`

// record numbers and stores events, and returns the number of the last. It is
// what a purchase pays for its event, so it is one statement where the database
// can insert twice in one.
func (o *Outbox) record(ctx context.Context, tx *database.Tx, partitionKey string, rows []row) (last int64, err error) {
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
	values, args := valuesOf(partitionKey, rows, "(SELECT sequence FROM partition) - ", func(n int) int { return len(rows) - 1 - n })
	sequences, err := database.All(ctx, tx, func(scan func(...any) error) (n int64, err error) { return n, scan(&n) },
		"WITH partition AS ("+numbers+") "+values+" RETURNING sequence", args...)
	if err != nil {
		return 0, err
	}
	return slices.Max(sequences), nil
}

// insert stores events, of which the last one has a number; 0: none has.
func insert(ctx context.Context, tx *database.Tx, partitionKey string, last int64, rows []row) error {
	values, args := valuesOf(partitionKey, rows, "", func(n int) int { return max(int(last)-(len(rows)-1-n), 0) })
	_, err := tx.ExecContext(ctx, values, args...)
	return err //nolint:wrapcheck // Write says what it was doing.
}

func valuesOf(partitionKey string, rows []row, sequence string, number func(n int) int) (statement string, args []any) {
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

func (o *Outbox) wake() {
	select {
	case o.woken <- struct{}{}:
	default: // It has been woken and has not looked yet.
	}
}
