// Package order restores the order of events by their partition keys.
//
// Each event type has a queue of its own, which gives up the order that a single
// queue would keep: PolicyTerminated may overtake the PolicyCreated of its policy. So
// the outbox numbers the events of a partition key, and a consumer handles them in the
// order of their sequences. An event that arrives before its predecessor is parked.
// Events of different partition keys are handled in parallel.
//
// A predecessor may be missing for good: it was never published, it is unroutable, or
// it is a dead letter of an operator. No consumer can know how long a predecessor may
// still be on its way, so a parked event waits until the consumer has caught up with
// the moment of its arrival, plus 30 seconds. The consumer has caught up when it has
// received all events of all its queues that were published before that moment. Under
// traffic without end the consumer still catches up; while the broker is away it does
// not. Then the event is handled and a gap is counted. A consumer that does not know
// its progress, or does not catch up, handles the event after a day.
//
// The parts: Split shares a batch among workers by key, Progress knows how far the
// consumer has caught up, and a Sequencer decides which events of a batch are handled,
// and in which order.
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
