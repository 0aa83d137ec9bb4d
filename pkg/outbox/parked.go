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
	attempts int64
	due      time.Time
	err      string
	size     int64 // of its body, which is read when there is room for it
}

// atOnce bounds the bodies, in bytes, of the parked events that one transaction
// handles. The first of them may be larger.
const atOnce = 8 << 20

const parkedColumns = `p.source, p.id, p.state, p.type, p.recorded_at, p.partition_key, p.sequence, p.traceparent,
	length(p.data), p.attempts`

func scanParked(scan func(...any) error) (parked, error) {
	var p parked
	var at int64
	err := scan(&p.Source, &p.ID, &p.state, &p.Type, &at, &p.PartitionKey, &p.Sequence, &p.TraceParent, &p.size,
		&p.attempts)
	p.Time = database.Time(at)
	return p, err
}

const bodies = `
	SELECT p.source, p.id, p.data FROM inbox_parked AS p
	WHERE (p.consumer, p.source, p.id) IN (SELECT consumer, source, id FROM %s)`

// load reads the bodies of parked items.
func (s *set) load(ctx context.Context, items []*item) error {
	if len(items) == 0 {
		return nil
	}
	loaded, err := query(ctx, s, scanBody, bodies, s.names(items))
	if err != nil {
		return fmt.Errorf("read %d parked events: %w", len(items), err)
	}
	data := make(map[name][]byte, len(loaded))
	for _, b := range loaded {
		data[b.name] = b.data
	}
	for _, it := range items {
		it.Data = data[nameOf(it.Message)]
	}
	return nil
}

type body struct {
	name

	data []byte
}

func scanBody(scan func(...any) error) (b body, err error) { return b, scan(&b.source, &b.id, &b.data) }

// park keeps items, or changes what is kept of them.
func (s *set) park(ctx context.Context, items []*item) error {
	n := len(items)
	texts := make(map[string][]string, 8)
	numbers := make(map[string][]int64, 4)
	datas := make([][]byte, 0, n)
	for _, it := range items {
		if it.ID == "" {
			it.ID = uuid.NewString() // It came without one; here it needs a name.
		}
		due := int64(0)
		if !it.due.IsZero() {
			due = s.instant(s.clock.local().Add(time.Until(it.due)))
		}
		for column, text := range map[string]string{
			"source": it.Source, "id": it.ID, "state": it.state, "type": it.Type, "partition_key": it.PartitionKey,
			"traceparent": it.TraceParent, "error": plain(it.err), "reason": plain(reason(it.err, it.ID)),
		} {
			texts[column] = append(texts[column], text)
		}
		for column, number := range map[string]int64{
			"recorded_at": database.Instant(it.Time), "sequence": it.Sequence, "attempts": it.attempts, "due_at": due,
		} {
			numbers[column] = append(numbers[column], number)
		}
		datas = append(datas, it.Data)
	}
	const names = `source, id, state, type, recorded_at, partition_key, sequence, traceparent, data, attempts, due_at,
		error, reason`
	var columns []database.Column
	for _, text := range []string{"source", "id", "state", "type", "partition_key", "traceparent", "error", "reason"} {
		columns = append(columns, database.Column{Name: text, Values: texts[text]})
	}
	for _, number := range []string{"recorded_at", "sequence", "attempts", "due_at"} {
		columns = append(columns, database.Column{Name: number, Values: numbers[number]})
	}
	columns = append(columns, database.Column{Name: "data", Values: datas})
	err := s.exec(ctx, `
		INSERT INTO inbox_parked (consumer, arrived_at, `+names+`)
		SELECT CAST($1 AS text), CAST($2 AS bigint), `+names+` FROM %s WHERE true
		ON CONFLICT (consumer, source, id) DO UPDATE
		SET state = excluded.state, attempts = excluded.attempts, due_at = excluded.due_at, error = excluded.error,
			reason = excluded.reason`, columns, s.consumer, database.Instant(time.Now()))
	if err != nil {
		return fmt.Errorf("park %d events: %w", n, err)
	}
	return nil
}

const unparking = "DELETE FROM inbox_parked WHERE (consumer, source, id) IN (SELECT consumer, source, id FROM %s)"

func (s *set) unpark(ctx context.Context, items []*item) error {
	err := s.exec(ctx, unparking, s.names(items))
	if err != nil {
		return fmt.Errorf("unpark %d events: %w", len(items), err)
	}
	return nil
}

const forgetting = "DELETE FROM inbox_event WHERE (consumer, source, id) IN (SELECT consumer, source, id FROM %s)"

// forget makes as if items had not come.
func (s *set) forget(ctx context.Context, items []*item) error {
	err := s.exec(ctx, forgetting, s.names(items))
	if err != nil {
		return fmt.Errorf("forget %d events: %w", len(items), err)
	}
	return nil
}

// names are the keys of items. The consumer is one of the columns: of a constant
// PostgreSQL, when it does not know the table yet, would think that few rows have
// it, and look through all of them.
func (s *set) names(items []*item) []database.Column {
	var consumers, sources, ids []string
	for _, it := range items {
		consumers, sources, ids = append(consumers, s.consumer), append(sources, it.Source), append(ids, it.ID)
	}
	return []database.Column{
		{Name: "consumer", Values: consumers}, {Name: "source", Values: sources}, {Name: "id", Values: ids},
	}
}

// exec runs a statement that is handed a table t, in place of its %s.
func (s *set) exec(ctx context.Context, statement string, table []database.Column, args ...any) error {
	text, more, err := s.db.Dialect.Table("t", len(args)+1, table...)
	if err != nil {
		return err
	}
	_, err = s.tx.ExecContext(ctx, fmt.Sprintf(statement, text), append(args, more...)...)
	return err //nolint:wrapcheck // The caller says what it was doing.
}

// query is exec for a query.
func query[T any](
	ctx context.Context, s *set, scan func(scan func(...any) error) (T, error),
	statement string, table []database.Column, args ...any,
) ([]T, error) {
	text, more, err := s.db.Dialect.Table("t", len(args)+1, table...)
	if err != nil {
		return nil, err
	}
	return database.All(ctx, s.tx, scan, fmt.Sprintf(statement, text), append(args, more...)...)
}

// store notes what became of the items.
func (s *set) store(ctx context.Context) error {
	var done, keep, undone []*item
	now := time.Now()
	for _, it := range s.all() {
		switch {
		case it.outcome == isHandled && it.kept:
			done = append(done, it)
		case it.outcome == isFailed:
			keep = append(keep, it)
		case it.outcome == isLeft && it.ID != "":
			undone = append(undone, it)
		case it.outcome == isOpen && !it.kept:
			it.state, it.due = stateWaiting, now.Add(orderMost)
			keep = append(keep, it)
		default:
		}
	}
	if err := s.advance(ctx); err != nil {
		return err
	}
	for _, step := range []struct {
		do    func(context.Context, []*item) error
		items []*item
	}{{s.unpark, done}, {s.park, keep}, {s.forget, undone}} {
		if len(step.items) == 0 {
			continue
		}
		if err := step.do(ctx, step.items); err != nil {
			return err
		}
	}
	return s.hurry(ctx)
}

// all are the items and those that they released.
func (s *set) all() []*item {
	all := s.items
	for _, it := range s.plan {
		if it.released {
			all = append(all, it)
		}
	}
	return all
}
