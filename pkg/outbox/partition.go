package outbox

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
)

// releaseMost is how many events that waited are handled in the transaction of
// their predecessor. The others follow at once, in another one.
const releaseMost = 256

// partition is how far the events of a place have been handled.
type partition struct {
	place

	stored  int64           // what the database has for last
	last    int64           // the number of the newest event that was handled
	planned int64           // what last is when the plan has been carried out
	read    int64           // what waits has been read up to here
	blocked bool            // one of them failed
	hurry   bool            // there was no time for one of them
	waiting map[int64]*item // for their predecessors
}

// remember notes what has come, and returns what came for the first time.
func (s *set) remember(ctx context.Context, batch []event.Message) ([]event.Message, error) {
	var sources, ids []string
	for _, m := range batch {
		if m.ID != "" {
			sources, ids = append(sources, m.Source), append(ids, m.ID)
		}
	}
	if len(ids) == 0 {
		return batch, nil
	}
	// Two that insert the same ids must do so in the same order, or they wait
	// for each other.
	inserted, err := query(ctx, s, func(scan func(...any) error) (n name, err error) { return n, scan(&n.source, &n.id) }, `
		INSERT INTO inbox_event (consumer, source, id, arrived_at)
		SELECT CAST($1 AS text), t.source, t.id, CAST($2 AS bigint) FROM %s
		WHERE NOT EXISTS (SELECT 1 FROM inbox_event_unsourced AS former WHERE former.consumer = $1 AND former.id = t.id)
		ORDER BY t.source, t.id
		ON CONFLICT (consumer, source, id) DO NOTHING
		RETURNING source, id`,
		[]database.Column{{Name: "source", Values: sources}, {Name: "id", Values: ids}},
		s.consumer, database.Instant(time.Now()))
	if err != nil {
		return nil, fmt.Errorf("remember %d events: %w", len(ids), err)
	}
	if len(inserted) == len(batch) {
		return batch, nil
	}
	first := make(map[name]bool, len(inserted))
	for _, n := range inserted {
		first[n] = true
	}
	var fresh []event.Message
	for _, m := range batch {
		if m.ID == "" || first[nameOf(m)] {
			fresh = append(fresh, m)
		} else {
			s.counts.again.Add(1)
			s.log.InfoContext(ctx, "event came again", "type", m.Type, "id", m.ID)
		}
	}
	return fresh, nil
}

// lock takes the partitions of the items until the transaction ends: of several
// consumers of one database, each looks at what the one before it has done. All
// take them in the same order, or they would wait for each other.
func (s *set) lock(ctx context.Context) error {
	var sources, keys []string
	for _, it := range s.items {
		if !it.Ordered() {
			continue
		}
		at := placeOf(it.Message)
		if s.places[at] == nil {
			s.places[at] = &partition{place: at, waiting: make(map[int64]*item)}
			sources, keys = append(sources, at.source), append(keys, at.key)
		}
		it.place = s.places[at]
	}
	if len(keys) == 0 {
		return nil
	}
	type position struct {
		place

		last int64
	}
	positions, err := query(ctx, s, func(scan func(...any) error) (p position, err error) {
		return p, scan(&p.source, &p.key, &p.last)
	}, `
		INSERT INTO inbox_partition (consumer, source, partition_key, sequence)
		SELECT CAST($1 AS text), t.source, t.partition_key, COALESCE((
			SELECT former.sequence FROM inbox_partition_unsourced AS former
			WHERE former.consumer = $1 AND former.partition_key = t.partition_key), 0)
		FROM %s WHERE true
		ORDER BY t.source, t.partition_key
		ON CONFLICT (consumer, source, partition_key) DO UPDATE SET sequence = inbox_partition.sequence
		RETURNING source, partition_key, sequence`,
		[]database.Column{{Name: "source", Values: sources}, {Name: "partition_key", Values: keys}}, s.consumer)
	if err != nil {
		return fmt.Errorf("lock %d partitions: %w", len(keys), err)
	}
	for _, p := range positions {
		at := s.places[p.place]
		at.stored, at.last, at.planned = p.last, p.last, p.last
	}
	return nil
}

const waitingFor = `
	SELECT ` + parkedColumns + ` FROM %s CROSS JOIN inbox_parked AS p -- SQLite keeps to this order
	WHERE p.source = t.source AND p.partition_key = t.partition_key
		AND p.sequence > t.beyond AND p.sequence <= t.upto
		AND p.consumer = $1 AND p.state <> 'retry' AND p.state <> 'dead'`

// waiting reads what waits in the partitions that will come forward.
func (s *set) waiting(ctx context.Context) error {
	var sources, keys []string
	var from, to []int64
	own := make(map[name]bool)
	next := make(map[*partition]bool)
	for _, it := range s.items {
		own[nameOf(it.Message)] = true
		if p := it.place; p != nil {
			p.read = max(p.read, it.Sequence+releaseMost)
			next[p] = next[p] || it.forced || it.Sequence <= p.last+1
		}
	}
	for p, forward := range next {
		if forward {
			sources, keys = append(sources, p.source), append(keys, p.key)
			from, to = append(from, p.last), append(to, p.read)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	found, err := query(ctx, s, scanParked, waitingFor, []database.Column{
		{Name: "source", Values: sources},
		{Name: "partition_key", Values: keys},
		{Name: "beyond", Values: from},
		{Name: "upto", Values: to},
	}, s.consumer)
	if err != nil {
		return fmt.Errorf("look for what waits in %d partitions: %w", len(keys), err)
	}
	slices.SortFunc(found, func(a, b parked) int {
		return cmp.Or(cmp.Compare(a.Sequence, b.Sequence), cmp.Compare(a.ID, b.ID))
	})
	var waits []*item
	room := int64(atOnce)
	for _, w := range found {
		p := s.places[placeOf(w.Message)]
		switch {
		case w.Sequence > p.read: // One before it has found no room.
		case room < 0 || len(waits) > 0 && w.size > room:
			p.read, room = w.Sequence-1, -1
		case p.waiting[w.Sequence] == nil && !own[nameOf(w.Message)]:
			p.waiting[w.Sequence] = &item{parked: w, kept: true, released: true, place: p}
			waits, room = append(waits, p.waiting[w.Sequence]), room-w.size
		default: // It is in the set, or another one has its number.
		}
	}
	return s.load(ctx, waits)
}

// advance notes how far the partitions have come.
func (s *set) advance(ctx context.Context) error {
	var sources, keys []string
	var lasts []int64
	for _, p := range s.places {
		if p.last != p.stored {
			sources, keys, lasts = append(sources, p.source), append(keys, p.key), append(lasts, p.last)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	err := s.exec(ctx, `
		INSERT INTO inbox_partition (consumer, source, partition_key, sequence)
		SELECT CAST($1 AS text), t.source, t.partition_key, t.sequence FROM %s WHERE true
		ON CONFLICT (consumer, source, partition_key) DO UPDATE SET sequence = excluded.sequence`, []database.Column{
		{Name: "source", Values: sources}, {Name: "partition_key", Values: keys}, {Name: "sequence", Values: lasts},
	}, s.consumer)
	if err != nil {
		return fmt.Errorf("advance %d partitions: %w", len(keys), err)
	}
	return nil
}

// hurrying looks up by their partitions what is to be due: in one step, the
// databases would look through all that waits.
const hurrying = `
	UPDATE inbox_parked SET due_at = $2 WHERE (consumer, source, id) IN (
		SELECT p.consumer, p.source, p.id FROM %s CROSS JOIN inbox_parked AS p -- SQLite keeps to this order
		WHERE p.consumer = $1 AND p.source = t.source AND p.partition_key = t.partition_key
			AND p.sequence = t.sequence AND p.state <> 'retry' AND p.state <> 'dead')`

// hurry makes due what may be handled now, but was not: of a long row of events
// that waited, or after one that is dead.
func (s *set) hurry(ctx context.Context) error {
	var sources, keys []string
	var nexts []int64
	for _, p := range s.places {
		if p.hurry || (p.last > p.stored && (p.last >= p.read || p.planned < p.last)) {
			sources, keys, nexts = append(sources, p.source), append(keys, p.key), append(nexts, p.last+1)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	err := s.exec(ctx, hurrying, []database.Column{
		{Name: "source", Values: sources}, {Name: "partition_key", Values: keys}, {Name: "sequence", Values: nexts},
	}, s.consumer, s.instant(s.clock.local()))
	if err != nil {
		return fmt.Errorf("hurry %d partitions: %w", len(keys), err)
	}
	return nil
}
