package outbox

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
)

// Filter chooses events: those that have all that it asks for. The zero Filter
// chooses all.
type Filter struct {
	IDs          []string // any of them
	Type         string
	PartitionKey string
	Since, Until time.Time // when they were recorded, or came if nobody has said when: from Since on, before Until
	States       []string  // any of them; Replay knows its own
	Limit        int       // of List, the newest; 100 by default
	Bodies       bool      // of List: with Data, which may be large
}

// Stored is an event as it is kept.
type Stored struct {
	event.Message

	State    string    // pending, unroutable, refused, sent; waiting, retry, dead
	At       time.Time // when it was published, or came; zero: not yet
	Due      time.Time // when it is tried again; zero: at once, or never
	Attempts int64     // of its handlers
	Error    string    // of the last one; why it is refused
}

// Replayed is what a replay does.
type Replayed struct {
	Events      int64
	Types       map[string]int64
	IDs         []string  // of the filter, those that are there
	First, Last time.Time // when the oldest and the newest were recorded, or came
}

const listLimit = 100

// List tells what the outbox keeps, the newest first.
func (o *Outbox) List(ctx context.Context, f Filter) ([]Stored, error) { return o.kept().list(ctx, f) }

// List tells what is parked, the newest first.
func (i *Inbox) List(ctx context.Context, f Filter) ([]Stored, error) {
	return i.letters().list(ctx, f)
}

// Replay has events published again that were published, as far back as they are
// kept, with the ids they had: who has handled them ignores them. A dry one only
// tells which.
func (o *Outbox) Replay(ctx context.Context, f Filter, dry bool) (Replayed, error) {
	return o.replay(ctx, f, "sent", dry)
}

// ReplayRefused has events published at once that are refused, because what they
// were refused for was mended. A dry one only tells which.
func (o *Outbox) ReplayRefused(ctx context.Context, f Filter, dry bool) (Replayed, error) {
	return o.replay(ctx, f, "refused", dry)
}

func (o *Outbox) replay(ctx context.Context, f Filter, state string, dry bool) (Replayed, error) {
	replayed, err := o.kept().replay(ctx, f, state, "state = 'pending', due_at = 0", dry)
	if err == nil && !dry {
		o.wake()
	}
	return replayed, err
}

// Replay has dead letters handled again by this consumer. A dry one only tells
// which.
func (i *Inbox) Replay(ctx context.Context, f Filter, dry bool) (Replayed, error) {
	if err := i.learnOnce(ctx); err != nil {
		return Replayed{}, err
	}
	return i.letters().replay(ctx, f, stateDead,
		fmt.Sprintf("state = 'retry', attempts = 0, due_at = %d", i.instant(i.clock.local())), dry)
}

// shelf is a table of events.
type shelf struct {
	db      *database.DB
	table   string
	where   string // what all of its rows have
	columns string // what the tables do not have in common
	at      string // when one was recorded
	newest  string // the order of a list
	source  string // of all rows, or "" if they have one each
}

func (o *Outbox) kept() shelf {
	return shelf{
		db: o.db, table: "outbox_event", where: "true", source: o.source,
		columns: "'', sent_at, due_at, 0, CASE state WHEN 'refused' THEN error ELSE '' END",
		at:      "recorded_at",
		newest:  "id DESC", // A UUIDv7: the newest of a large table are found without sorting it.
	}
}

func (i *Inbox) letters() shelf {
	// A foreign publisher may not have said when something happened.
	at := fmt.Sprintf("CASE recorded_at WHEN %d THEN arrived_at ELSE recorded_at END", database.Instant(time.Time{}))
	return shelf{
		db: i.db, table: "inbox_parked", where: "consumer = " + quoted(i.consumer),
		columns: "source, arrived_at, due_at, attempts, error", at: at, newest: at + " DESC, id DESC",
	}
}

func quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// chosen is a condition, with its arguments from $1 on.
func (s shelf) chosen(f Filter) (where string, args []any, err error) {
	conditions := []string{s.where}
	is := func(condition string, arg any) {
		args = append(args, arg)
		conditions = append(conditions, fmt.Sprintf(condition, len(args)))
	}
	if f.Type != "" {
		is("type = $%d", f.Type)
	}
	if f.PartitionKey != "" {
		is("partition_key = $%d", f.PartitionKey)
	}
	if !f.Since.IsZero() {
		is(s.at+" >= $%d", database.Instant(f.Since))
	}
	if !f.Until.IsZero() {
		is(s.at+" < $%d", database.Instant(f.Until))
	}
	for column, texts := range map[string][]string{"id": f.IDs, "state": f.States} {
		if len(texts) == 0 {
			continue
		}
		table, more, err := s.db.Dialect.Table("t", len(args)+1, database.Column{Name: "one", Values: texts})
		if err != nil {
			return "", nil, err
		}
		conditions = append(conditions, column+" IN (SELECT t.one FROM "+table+")")
		args = append(args, more...)
	}
	return strings.Join(conditions, " AND "), args, nil
}

func (s shelf) list(ctx context.Context, f Filter) ([]Stored, error) {
	where, args, err := s.chosen(f)
	if err != nil {
		return nil, err
	}
	limit := f.Limit
	if limit <= 0 {
		limit = listLimit
	}
	body := "NULL"
	if f.Bodies {
		body = "data"
	}
	all, err := database.All(ctx, s.db.Reader(), s.scan, fmt.Sprintf(`
		SELECT id, type, recorded_at, partition_key, sequence, traceparent, %s, state, %s FROM %s
		WHERE %s ORDER BY %s LIMIT %d`, body, s.columns, s.table, where, s.newest, limit), args...)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", s.table, err)
	}
	return all, nil
}

func (s shelf) scan(scan func(...any) error) (Stored, error) {
	var e Stored
	var recorded, at, due int64
	err := scan(&e.ID, &e.Type, &recorded, &e.PartitionKey, &e.Sequence, &e.TraceParent, &e.Data, &e.State,
		&e.Source, &at, &due, &e.Attempts, &e.Error)
	e.Time = database.Time(recorded)
	if at > 0 {
		e.At = database.Time(at)
	}
	if due > 0 && e.State != stateDead && e.State != stateWaiting && e.State != "sent" {
		e.Due = database.Time(due)
	}
	if s.source != "" {
		e.Source = s.source
	}
	return e, err
}

// replay changes what is chosen and has a state, and tells what that is.
func (s shelf) replay(ctx context.Context, f Filter, state, set string, dry bool) (Replayed, error) {
	f.States = []string{state}
	where, args, err := s.chosen(f)
	if err != nil {
		return Replayed{}, err
	}
	replayed := Replayed{Types: make(map[string]int64)}
	_, err = database.All(ctx, s.db.Reader(), func(scan func(...any) error) (struct{}, error) {
		var eventType string
		var n, first, last int64
		err := scan(&eventType, &n, &first, &last)
		replayed.add(eventType, n, database.Time(first), database.Time(last))
		return struct{}{}, err
	}, fmt.Sprintf("SELECT type, count(*), min(%[1]s), max(%[1]s) FROM %[2]s WHERE %[3]s GROUP BY type", s.at, s.table, where), args...)
	if err == nil && len(f.IDs) > 0 {
		replayed.IDs, err = database.All(ctx, s.db.Reader(), scanID,
			fmt.Sprintf("SELECT DISTINCT id FROM %s WHERE %s", s.table, where), args...)
	}
	if err == nil && !dry {
		err = s.change(ctx, where, args, set)
	}
	if err != nil {
		return Replayed{}, fmt.Errorf("replay %s: %w", s.table, err)
	}
	return replayed, nil
}

func (r *Replayed) add(eventType string, n int64, first, last time.Time) {
	r.Events += n
	r.Types[eventType] = n
	if r.First.IsZero() || first.Before(r.First) {
		r.First = first
	}
	if last.After(r.Last) {
		r.Last = last
	}
}

func scanID(scan func(...any) error) (id string, err error) { return id, scan(&id) }

// change goes through the ids, a chunk in a transaction: what it changed may
// soon be again as it was.
func (s shelf) change(ctx context.Context, where string, args []any, set string) error {
	after := ""
	for ctx.Err() == nil {
		more := slices.Concat(args, []any{after})
		ids, err := database.All(ctx, s.db.Reader(), scanID,
			fmt.Sprintf("SELECT DISTINCT id FROM %s WHERE %s AND id > $%d ORDER BY id LIMIT %d", s.table, where, len(more), cleanupChunk),
			more...)
		if err != nil || len(ids) == 0 {
			return err
		}
		table, last, err := s.db.Dialect.Table("c", len(args)+1, database.Column{Name: "id", Values: ids})
		if err != nil {
			return err
		}
		_, err = s.db.Exec(ctx, fmt.Sprintf("UPDATE %s SET %s WHERE %s AND id IN (SELECT c.id FROM %s)", s.table, set, where, table),
			slices.Concat(args, last)...)
		if err != nil {
			return err //nolint:wrapcheck // replay says what it was doing.
		}
		after = ids[len(ids)-1]
	}
	return ctx.Err() //nolint:wrapcheck // As above.
}
