// Package order restores the order of events by their partition keys.
//
// Each event type has a queue of its own, and several queues give up the order of a
// single queue: PolicyTerminated may overtake the PolicyCreated of the same policy. So
// the outbox numbers the events of a partition key, and a consumer handles them in the
// order of their sequences. An event is parked until its predecessor arrives.
// Events of different partition keys are handled in parallel.
//
// A predecessor may be missing for good: never published, unroutable, or in the hands of
// an operator. No consumer can know how long a predecessor may still be on the way. So a
// parked event waits until the consumer has caught up with the moment of the event's
// arrival, plus 30 seconds: until the consumer has received all events published before
// that moment, from all of its queues. Under endless traffic the consumer still catches
// up; while the broker is unavailable it does not. Then the event is handled and a gap is
// counted. Without any progress the event is handled after a day.
//
// The parts: Split shares a batch among workers by key, Progress knows how far the
// consumer has caught up, and a Sequencer plans the events of a batch and their order.
package order

import (
	"cmp"
	"slices"

	"parley.internal/pkg/event"
)

// Key identifies a partition. Partition keys belong to their publisher: two services
// may use equal keys.
type Key struct{ Source, PartitionKey string }

// KeyOf returns the partition of a message.
func KeyOf(m event.Message) Key { return Key{m.Source, m.PartitionKey} }

// Split shares a batch among at most n workers. All events of a partition go to the
// same worker, in order; each partition goes to the worker with the fewest events.
func Split(batch []event.Message, n int) [][]event.Message {
	if n < 2 {
		return [][]event.Message{batch}
	}
	var groups [][]event.Message
	at := make(map[Key]int)
	for _, m := range batch {
		key := KeyOf(m)
		g, known := at[key]
		if !known || m.PartitionKey == "" {
			g = len(groups)
			groups = append(groups, nil)
			at[key] = g
		}
		groups[g] = append(groups[g], m)
	}
	slices.SortStableFunc(groups, func(a, b []event.Message) int { return cmp.Compare(len(b), len(a)) })
	shares := make([][]event.Message, min(n, len(groups)))
	for _, group := range groups {
		least := 0
		for w := range shares {
			if len(shares[w]) < len(shares[least]) {
				least = w
			}
		}
		shares[least] = append(shares[least], group...)
	}
	return shares
}
