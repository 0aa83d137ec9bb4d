package inbox

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
	"parley.internal/pkg/inbox/order"
)

// The states of a parked event.
const (
	stateWaiting = "waiting" // for its predecessor
	stateRetry   = "retry"   // its handler failed
	stateDead    = "dead"    // a dead letter, for an operator
)

// stored is an event and the columns of its row in inbox_parked.
type stored struct {
	event.Message

	state    string
	attempts int64
	due      int64 // 0: dead letters are never due
	err      string
	size     int64 // of the body, which is read when there is room for it
}

// rows accesses a consumer's rows in a transaction.
type rows struct {
	tx       *database.Tx
	consumer string
}

const parkedColumns = `p.source, p.id, p.state, p.type, p.recorded_at, p.partition_key, p.sequence, p.traceparent,
	length(p.data), p.attempts`

func scanParked(scan func(...any) error) (stored, error) {
	var s stored
	var at int64
	err := scan(&s.Source, &s.ID, &s.state, &s.Type, &at, &s.PartitionKey, &s.Sequence, &s.TraceParent, &s.size,
		&s.attempts)
	s.Time = database.Time(at)
	return s, err
}

// keys returns the keys of items as columns. The consumer is a column, too: for a
// constant, PostgreSQL without statistics assumes few rows and reads all of them.
func (r rows) keys(items []*item) []database.Column {
	return []database.Column{
		database.NewColumn("consumer", items, func(*item) string { return r.consumer }),
		database.NewColumn("source", items, func(it *item) string { return it.Source }),
		database.NewColumn("id", items, func(it *item) string { return it.ID }),
	}
}

// rangeColumns returns ranges as columns.
func rangeColumns(ranges []order.Range) []database.Column {
	return []database.Column{
		database.NewColumn("source", ranges, func(r order.Range) string { return r.Source }),
		database.NewColumn("partition_key", ranges, func(r order.Range) string { return r.PartitionKey }),
		database.NewColumn("beyond", ranges, func(r order.Range) int64 { return r.After }),
		database.NewColumn("up_to", ranges, func(r order.Range) int64 { return r.UpTo }),
	}
}

const selectWaiting = `
	SELECT ` + parkedColumns + ` FROM %s CROSS JOIN inbox_parked AS p -- SQLite keeps this order of tables
	WHERE p.source = t.source AND p.partition_key = t.partition_key
		AND p.sequence > t.beyond AND p.sequence <= t.up_to
		AND p.consumer = $1 AND p.state <> 'retry' AND p.state <> 'dead'`

// waiting returns the waiting events in some ranges by ascending sequences, without
// their bodies.
func (r rows) waiting(ctx context.Context, ranges []order.Range) ([]stored, error) {
	found, err := database.AllTable(ctx, r.tx, scanParked, selectWaiting, rangeColumns(ranges), r.consumer)
	if err != nil {
		return nil, fmt.Errorf("read waiting events of %d partitions: %w", len(ranges), err)
	}
	slices.SortFunc(found, func(a, b stored) int {
		return cmp.Or(cmp.Compare(a.Sequence, b.Sequence), cmp.Compare(a.ID, b.ID))
	})
	return found, nil
}

// makeDueStatement finds the rows by their partitions first: without the subquery both
// databases read all waiting rows.
const makeDueStatement = `
	UPDATE inbox_parked SET due_at = $2 WHERE (consumer, source, id) IN (
		SELECT p.consumer, p.source, p.id FROM %s CROSS JOIN inbox_parked AS p -- SQLite keeps this order of tables
		WHERE p.consumer = $1 AND p.source = t.source AND p.partition_key = t.partition_key
			AND p.sequence > t.beyond AND p.sequence <= t.up_to AND p.state <> 'retry' AND p.state <> 'dead')`

// makeDue makes the waiting events in some ranges due.
func (r rows) makeDue(ctx context.Context, ranges []order.Range, now time.Time) error {
	err := r.tx.ExecTable(ctx, makeDueStatement, rangeColumns(ranges), r.consumer, database.Instant(now))
	if err != nil {
		return fmt.Errorf("make waiting events of %d partitions due: %w", len(ranges), err)
	}
	return nil
}

const selectData = `
	SELECT p.source, p.id, p.data FROM inbox_parked AS p
	WHERE (p.consumer, p.source, p.id) IN (SELECT consumer, source, id FROM %s)`

// loadData reads the bodies of parked events.
func (r rows) loadData(ctx context.Context, items []*item) error {
	data, err := r.queryData(ctx, selectData, r.keys(items))
	if err != nil {
		return fmt.Errorf("read the bodies of %d parked events: %w", len(items), err)
	}
	for _, it := range items {
		it.Data = data[keyOf(it.Message)]
	}
	return nil
}

// queryData runs a query for keys and bodies.
func (r rows) queryData(ctx context.Context, query string, columns []database.Column) (map[eventKey][]byte, error) {
	type body struct {
		eventKey

		data []byte
	}
	bodies, err := database.AllTable(ctx, r.tx, func(scan func(...any) error) (b body, err error) {
		return b, scan(&b.source, &b.id, &b.data)
	}, query, columns)
	data := make(map[eventKey][]byte, len(bodies))
	for _, b := range bodies {
		data[b.eventKey] = b.data
	}
	return data, err
}

const insertParked = `
	INSERT INTO inbox_parked (consumer, arrived_at, source, id, state, type, recorded_at, partition_key, sequence,
		traceparent, data, attempts, due_at, error, reason)
	SELECT CAST($1 AS text), CAST($2 AS bigint), source, id, state, type, recorded_at, partition_key, sequence,
		traceparent, data, attempts, due_at, error, reason FROM %s WHERE true
	ON CONFLICT (consumer, source, id) DO UPDATE
	SET state = excluded.state, attempts = excluded.attempts, due_at = excluded.due_at, error = excluded.error,
		reason = excluded.reason`

// park stores events, or updates their rows.
func (r rows) park(ctx context.Context, items []*item) error {
	for _, it := range items {
		if it.ID == "" {
			it.ID = uuid.NewString() // A row needs a key.
		}
	}
	texts := func(name string, of func(*item) string) database.Column { return database.NewColumn(name, items, of) }
	numbers := func(name string, of func(*item) int64) database.Column { return database.NewColumn(name, items, of) }
	err := r.tx.ExecTable(ctx, insertParked, []database.Column{
		texts("source", func(it *item) string { return it.Source }),
		texts("id", func(it *item) string { return it.ID }),
		texts("state", func(it *item) string { return it.state }),
		texts("type", func(it *item) string { return it.Type }),
		texts("partition_key", func(it *item) string { return it.PartitionKey }),
		texts("traceparent", func(it *item) string { return it.TraceParent }),
		texts("error", func(it *item) string { return database.Text(it.err) }),
		texts("reason", func(it *item) string { return database.Text(shortReason(it.err, it.ID)) }),
		numbers("recorded_at", func(it *item) int64 { return database.Instant(it.Time) }),
		numbers("sequence", func(it *item) int64 { return it.Sequence }),
		numbers("attempts", func(it *item) int64 { return it.attempts }),
		numbers("due_at", func(it *item) int64 { return it.due }),
		database.NewColumn("data", items, func(it *item) []byte { return it.Data }),
	}, r.consumer, database.Instant(time.Now()))
	if err != nil {
		return fmt.Errorf("park %d events: %w", len(items), err)
	}
	return nil
}

const deleteParked = "DELETE FROM inbox_parked WHERE (consumer, source, id) IN (SELECT consumer, source, id FROM %s)"

// unpark deletes the rows of handled events.
func (r rows) unpark(ctx context.Context, items []*item) error {
	if err := r.tx.ExecTable(ctx, deleteParked, r.keys(items)); err != nil {
		return fmt.Errorf("delete %d parked events: %w", len(items), err)
	}
	return nil
}
