package rabbit

import (
	"cmp"
	"slices"
)

// InHand is what this process has of a queue: it has come, and is not
// acknowledged. The broker has it, too, but does not tell of it over AMQP.
type InHand struct {
	Queue    string
	Messages int64
	Bytes    int64 // of their bodies
}

// InHand tells what each queue's consumers here have in hand, by the queue's
// name. A queue whose connection is lost is not among them.
func (t *Transport) InHand() []InHand {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make(map[string]InHand)
	for q := range t.taken {
		sum := all[q.name]
		// In this order: what is settled has come before.
		settled := q.progress.settled.Load()
		sum.Queue, sum.Messages = q.name, sum.Messages+q.progress.delivered.Load()-settled
		sum.Bytes += q.prefetch.bytes.Load()
		all[q.name] = sum
	}
	var sorted []InHand
	for _, sum := range all {
		sorted = append(sorted, sum)
	}
	slices.SortFunc(sorted, func(a, b InHand) int { return cmp.Compare(a.Queue, b.Queue) })
	return sorted
}

// consuming notes that queues are consumed, until done.
func (t *Transport) consuming(queues []*queue) (done func()) {
	note := func(note func(*queue)) {
		t.mu.Lock()
		defer t.mu.Unlock()
		for _, q := range queues {
			note(q)
		}
	}
	note(func(q *queue) { t.taken[q] = true })
	return func() { note(func(q *queue) { delete(t.taken, q) }) }
}
