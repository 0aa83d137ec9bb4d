package order

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
)

const (
	// releaseLimit is how many parked events are released in the transaction of
	// their predecessor. The next events follow in another transaction.
	releaseLimit = 256

	// MemoryLimit is how many bytes of parked bodies a transaction handles. The first
	// body may be larger.
	MemoryLimit = 8 << 20
)

// Slot is the place of an event in its partition. A type that embeds Slot is an Event.
type Slot struct {
	Overdue bool // the event is handled even if its predecessor is missing
	Late    bool // successors of the event were handled before

	partition *partition // nil: the event has no order
	sequence  int64
}

// Event is an event in a Sequencer: a type that embeds Slot.
type Event interface {
	comparable
	slot() *Slot
}

func (s *Slot) slot() *Slot { return s }

// Blocked reports whether an earlier event of the partition failed in this batch, so
// that the event must wait.
func (s *Slot) Blocked() bool { return s.partition != nil && s.partition.blocked && !s.Late }

// AfterGap reports whether the predecessor of the event is missing.
func (s *Slot) AfterGap() bool { return s.partition != nil && s.sequence > s.partition.last+1 }

// partition is how far the events of a key were handled.
type partition struct {
	key Key

	stored  int64 // last as the database knows it
	last    int64 // the sequence of the newest handled event
	planned int64 // last after the whole plan
	read    int64 // parked events were read up to here
	blocked bool  // an event failed
	resume  bool  // an event was planned, and there was no time for it
}

// Sequencer orders the events of a batch in a transaction. Use: Add the events, Lock
// their partitions, Release parked successors, Plan, report the result of each event,
// and Store. A Sequencer is for a single goroutine.
type Sequencer[E Event] struct {
	tx       *database.Tx
	consumer string

	events     []E
	partitions map[Key]*partition
	waiting    map[*partition]map[int64]E // by sequence
	released   int
	room       int64 // bytes for further released events; negative: none is released any more
}

// NewSequencer returns a sequencer of a consumer's events in tx.
func NewSequencer[E Event](tx *database.Tx, consumer string) *Sequencer[E] {
	return &Sequencer[E]{
		tx: tx, consumer: consumer,
		partitions: make(map[Key]*partition), waiting: make(map[*partition]map[int64]E), room: MemoryLimit,
	}
}

// Add adds the event of a message.
func (s *Sequencer[E]) Add(e E, m event.Message) {
	s.events = append(s.events, e)
	if !m.Ordered() {
		return
	}
	key := KeyOf(m)
	if s.partitions[key] == nil {
		s.partitions[key] = &partition{key: key}
	}
	e.slot().partition, e.slot().sequence = s.partitions[key], m.Sequence
}

// Retain drops the events for which keep returns false.
func (s *Sequencer[E]) Retain(keep func(E) bool) {
	s.events = slices.DeleteFunc(s.events, func(e E) bool { return !keep(e) })
}

// Events returns the added events.
func (s *Sequencer[E]) Events() []E { return s.events }

// Lock locks the partitions of the events until the transaction ends, and reads how
// far they were handled: consumers of the same database see each other's progress. All
// consumers lock partitions in the same order: no deadlock.
func (s *Sequencer[E]) Lock(ctx context.Context) error {
	keys := slices.Collect(maps.Keys(s.partitions))
	if len(keys) == 0 {
		return nil
	}
	type position struct {
		Key

		last int64
	}
	positions, err := database.AllTable(ctx, s.tx, func(scan func(...any) error) (p position, err error) {
		return p, scan(&p.Source, &p.PartitionKey, &p.last)
	}, `
		INSERT INTO inbox_partition (consumer, source, partition_key, sequence)
		SELECT CAST($1 AS text), t.source, t.partition_key, 0 FROM %s WHERE true
		ORDER BY t.source, t.partition_key
		ON CONFLICT (consumer, source, partition_key) DO UPDATE SET sequence = inbox_partition.sequence
		RETURNING source, partition_key, sequence`,
		[]database.Column{
			database.NewColumn("source", keys, func(k Key) string { return k.Source }),
			database.NewColumn("partition_key", keys, func(k Key) string { return k.PartitionKey }),
		}, s.consumer)
	if err != nil {
		return fmt.Errorf("lock %d partitions: %w", len(keys), err)
	}
	for _, found := range positions {
		p := s.partitions[found.Key]
		p.stored, p.last, p.planned = found.last, found.last, found.last
	}
	return nil
}

// Range is a range of sequences in a partition.
type Range struct {
	Key

	After, UpTo int64
}

// Ranges returns where parked events may be released: in partitions with progress in
// this batch.
func (s *Sequencer[E]) Ranges() []Range {
	forward := make(map[*partition]bool)
	for _, e := range s.events {
		if slot := e.slot(); slot.partition != nil {
			p := slot.partition
			p.read = max(p.read, slot.sequence+releaseLimit)
			forward[p] = forward[p] || slot.Overdue || slot.sequence <= p.last+1
		}
	}
	var ranges []Range
	for p, moves := range forward {
		if moves {
			ranges = append(ranges, Range{Key: p.key, After: p.last, UpTo: p.read})
		}
	}
	return ranges
}

// Release offers a parked event of a Range, in ascending order of sequences, with the
// size of its body, and reports whether the event joins the batch. When the memory limit
// is reached, later events stay parked.
func (s *Sequencer[E]) Release(e E, m event.Message, size int64) bool {
	p := s.partitions[KeyOf(m)]
	switch {
	case m.Sequence > p.read: // There was no room for an earlier event.
		return false
	case s.room < 0 || s.released > 0 && size > s.room:
		p.read, s.room = m.Sequence-1, -1
		return false
	case !s.park(e, p, m.Sequence): // Another event has its sequence.
		return false
	}
	s.released++
	s.room -= size
	e.slot().partition, e.slot().sequence = p, m.Sequence
	return true
}

// park lets an event wait for its predecessor, unless the sequence is taken.
func (s *Sequencer[E]) park(e E, p *partition, sequence int64) bool {
	if s.waiting[p] == nil {
		s.waiting[p] = make(map[int64]E)
	}
	if _, taken := s.waiting[p][sequence]; taken {
		return false
	}
	s.waiting[p][sequence] = e
	return true
}

// Plan returns the events to handle, in order: events without an order, late events,
// and events whose predecessors are handled or planned. The others wait.
func (s *Sequencer[E]) Plan() (plan []E) {
	for _, e := range s.events {
		slot := e.slot()
		p := slot.partition
		switch {
		case p == nil:
			plan = append(plan, e)
		case slot.sequence <= p.planned:
			slot.Late = true
			plan = append(plan, e)
		case slot.sequence == p.planned+1 || slot.Overdue:
			for next, found := e, true; found; next, found = s.waiting[p][p.planned+1] {
				plan = append(plan, next)
				p.planned = next.slot().sequence
			}
		default: // Of two events with the same sequence the second gets its turn when it is overdue.
			s.park(e, p, slot.sequence)
		}
	}
	return plan
}

// MarkLate notes whether successors of an event were handled before.
func (s *Slot) MarkLate() { s.Late = s.partition != nil && s.sequence <= s.partition.last }

// Handled moves the partition of a handled event forward.
func (s *Slot) Handled() {
	if s.partition != nil {
		s.partition.last = max(s.partition.last, s.sequence)
	}
}

// Failed blocks the successors of a failed event. A dead letter does not block them.
func (s *Slot) Failed(dead bool) {
	switch {
	case s.partition == nil || s.Late:
	case dead:
		s.partition.last = s.sequence
	default:
		s.partition.blocked = true
	}
}

// Deferred notes that there was no time for a parked event.
func (s *Slot) Deferred() {
	if s.partition != nil {
		s.partition.resume = true
	}
}

// Store stores how far the partitions were handled. It returns parked events that may be
// handled now and were not: the rest of a long row of parked events, or the successor of a
// dead letter. After is the sequence before such an event.
func (s *Sequencer[E]) Store(ctx context.Context) (next []Range, err error) {
	var moved []*partition
	for _, p := range s.partitions {
		if p.last != p.stored {
			moved = append(moved, p)
		}
		if p.resume || (p.last > p.stored && (p.last >= p.read || p.planned < p.last)) {
			next = append(next, Range{Key: p.key, After: p.last, UpTo: p.last + 1})
		}
	}
	if len(moved) == 0 {
		return next, nil
	}
	err = s.tx.ExecTable(ctx, `
		INSERT INTO inbox_partition (consumer, source, partition_key, sequence)
		SELECT CAST($1 AS text), t.source, t.partition_key, t.sequence FROM %s WHERE true
		ON CONFLICT (consumer, source, partition_key) DO UPDATE SET sequence = excluded.sequence`, []database.Column{
		database.NewColumn("source", moved, func(p *partition) string { return p.key.Source }),
		database.NewColumn("partition_key", moved, func(p *partition) string { return p.key.PartitionKey }),
		database.NewColumn("sequence", moved, func(p *partition) int64 { return p.last }),
	}, s.consumer)
	if err != nil {
		return nil, fmt.Errorf("store the progress of %d partitions: %w", len(moved), err)
	}
	return next, nil
}
