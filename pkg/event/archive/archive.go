// Package archive lists and replays the events in a table of an outbox or an inbox,
// for operators.
package archive

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
)

// Filter selects events that match all of its fields. The zero Filter selects every
// event.
type Filter struct {
	IDs          []string // any of them
	Type         string
	PartitionKey string
	Since, Until time.Time // when the events were recorded, or arrived if the publisher gave no time: from Since on, before Until
	States       []string  // any of them; a replay sets its own
	Limit        int       // of a list, the newest events; 100 by default
	Bodies       bool      // of a list: include Data, which may be large
}

// Event is an event in a table.
type Event struct {
	event.Message

	State    string    // outbox: pending, unroutable, rejected, sent; inbox: waiting, retry, dead
	At       time.Time // when it was published, or arrived; zero: not yet
	Due      time.Time // the next attempt; zero: at once, or none
	Attempts int64     // of the handlers
	Error    string    // of the last attempt, or of the broker's rejection
}

// Replayed describes the events of a replay.
type Replayed struct {
	Events      int64
	Types       map[string]int64
	IDs         []string  // the IDs of the filter that exist
	First, Last time.Time // when the oldest and the newest event were recorded, or arrived
}

const (
	defaultLimit = 100
	chunk        = 1000 // rows changed in a single transaction
)

// Table is a table of events with the columns id, type, recorded_at, partition_key,
// sequence, traceparent, data and state.
type Table struct {
	DB      *database.DB
	Name    string
	Where   string   // a condition on all rows of the owner
	Columns string   // source, time, due time, attempts and error as expressions
	At      string   // when an event was recorded, as an expression
	Newest  string   // the ORDER BY of a list
	Source  string   // the source of all events, or "" if each row has its own
	Due     []string // the states with a due time
}

// condition returns the WHERE of a filter with its arguments from $1 on.
func (t Table) condition(f Filter) (where string, args []any, err error) {
	conditions := []string{t.Where}
	add := func(condition string, arg any) {
		args = append(args, arg)
		conditions = append(conditions, fmt.Sprintf(condition, len(args)))
	}
	if f.Type != "" {
		add("type = $%d", f.Type)
	}
	if f.PartitionKey != "" {
		add("partition_key = $%d", f.PartitionKey)
	}
	if !f.Since.IsZero() {
		add(t.At+" >= $%d", database.Instant(f.Since))
	}
	if !f.Until.IsZero() {
		add(t.At+" < $%d", database.Instant(f.Until))
	}
	for column, texts := range map[string][]string{"id": f.IDs, "state": f.States} {
		if len(texts) == 0 {
			continue
		}
		in, more, err := t.DB.Dialect.Table("f", len(args)+1, database.Column{Name: "value", Values: texts})
		if err != nil {
			return "", nil, err
		}
		conditions = append(conditions, column+" IN (SELECT f.value FROM "+in+")")
		args = append(args, more...)
	}
	return strings.Join(conditions, " AND "), args, nil
}

// List returns the selected events, the newest first.
func (t Table) List(ctx context.Context, f Filter) ([]Event, error) {
	where, args, err := t.condition(f)
	if err != nil {
		return nil, err
	}
	body := "NULL"
	if f.Bodies {
		body = "data"
	}
	all, err := database.All(ctx, t.DB.Reader(), t.scan, fmt.Sprintf(`
		SELECT id, type, recorded_at, partition_key, sequence, traceparent, %s, state, %s FROM %s
		WHERE %s ORDER BY %s LIMIT %d`, body, t.Columns, t.Name, where, t.Newest, cmp.Or(max(f.Limit, 0), defaultLimit)), args...)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", t.Name, err)
	}
	return all, nil
}

func (t Table) scan(scan func(...any) error) (Event, error) {
	var e Event
	var recorded, at, due int64
	err := scan(&e.ID, &e.Type, &recorded, &e.PartitionKey, &e.Sequence, &e.TraceParent, &e.Data, &e.State,
		&e.Source, &at, &due, &e.Attempts, &e.Error)
	e.Time = database.Time(recorded)
	if at > 0 {
		e.At = database.Time(at)
	}
	if due > 0 && slices.Contains(t.Due, e.State) {
		e.Due = database.Time(due)
	}
	e.Source = cmp.Or(t.Source, e.Source)
	return e, err
}

// Replay changes the selected events that have a state with the assignments set, and
// describes them. A dry run only describes them.
func (t Table) Replay(ctx context.Context, f Filter, state, set string, dry bool) (Replayed, error) {
	f.States = []string{state}
	where, args, err := t.condition(f)
	if err != nil {
		return Replayed{}, err
	}
	replayed := Replayed{Types: make(map[string]int64)}
	_, err = database.All(ctx, t.DB.Reader(), func(scan func(...any) error) (struct{}, error) {
		var eventType string
		var n, first, last int64
		err := scan(&eventType, &n, &first, &last)
		replayed.Types[eventType], replayed.Events = n, replayed.Events+n
		replayed.First, replayed.Last = database.Time(first), database.Time(last)
		return struct{}{}, err
	}, fmt.Sprintf(`
		SELECT type, count(*), min(min(%[1]s)) OVER (), max(max(%[1]s)) OVER () FROM %[2]s
		WHERE %[3]s GROUP BY type`, t.At, t.Name, where), args...)
	if err == nil && len(f.IDs) > 0 {
		replayed.IDs, err = database.All(ctx, t.DB.Reader(), scanID,
			fmt.Sprintf("SELECT DISTINCT id FROM %s WHERE %s", t.Name, where), args...)
	}
	if err == nil && !dry {
		err = t.update(ctx, where, args, set)
	}
	if err != nil {
		return Replayed{}, fmt.Errorf("replay %s: %w", t.Name, err)
	}
	return replayed, nil
}

func scanID(scan func(...any) error) (id string, err error) { return id, scan(&id) }

// update pages through the selected ids in ascending order, a transaction per page:
// a changed row may soon be selected again.
func (t Table) update(ctx context.Context, where string, args []any, set string) error {
	after, last := len(args)+1, len(args)+2 // the parameters of a page
	page := fmt.Sprintf(`
		SELECT COALESCE(max(id), '') FROM (
			SELECT DISTINCT id FROM %s WHERE %s AND id > $%d ORDER BY id LIMIT %d) AS page`, t.Name, where, after, chunk)
	change := fmt.Sprintf("UPDATE %s SET %s WHERE %s AND id > $%d AND id <= $%d", t.Name, set, where, after, last)
	for begin, end := "", ""; ; begin = end {
		if _, err := database.One(ctx, t.DB.Reader(), page, append(args, begin), &end); err != nil || end == "" {
			return err
		}
		if _, err := t.DB.Exec(ctx, change, append(args, begin, end)...); err != nil {
			return err
		}
	}
}
