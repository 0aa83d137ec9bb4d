package rabbit

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

const (
	inHandBest    = 8 << 20 // bytes of a queue's messages; up to twice as many are let be
	prefetchFirst = 4       // messages, while nobody knows how large they are
	prefetchStep  = 4       // times as many at most, if all of these are in hand
	meanOver      = 64      // messages
	saturates     = 250 * time.Millisecond
)

// prefetch is how many messages a queue's consumer may have in hand. The broker
// counts them and knows no bytes, so the number follows their size.
type prefetch struct {
	most  int          // Config.Prefetch
	now   int          // what the consumer was begun with
	mean  float64      // bytes of a message
	seen  int          // messages, up to meanOver
	bytes atomic.Int64 // in hand
	leave atomic.Int64 // now, for those who watch
}

// came notes a message of so many bytes.
func (p *prefetch) came(bytes int) {
	p.bytes.Add(int64(bytes))
	p.seen = min(p.seen+1, meanOver)
	p.mean += (float64(bytes) - p.mean) / float64(p.seen)
}

// wanted is how many messages should be in hand: as many as now, unless that is
// far too many, or far too few.
func (p *prefetch) wanted() int {
	best := min(max(int(inHandBest/max(p.mean, 1)), 1), p.most)
	switch {
	case 2*best <= p.now:
		return best
	case 2*p.now <= best && p.bytes.Load() <= inHandBest:
		return min(prefetchStep*p.now, best)
	default:
		return p.now
	}
}

// change is a consumer's way to its successor: the number of messages that one
// may have in hand cannot be changed.
type change struct {
	to     int              // what the successor may have in hand; 0: there is none
	late   <-chan time.Time // when the consumer ends, saturated or not
	due    bool             // it is to end now
	ending bool             // it has been told to
}

// adapt begins or goes on with a change, if the size of messages wants one.
//
// A consumer best ends while it is saturated: nothing can be on its way then. A
// quorum queue takes back what is, and gives later messages first.
func (q *queue) adapt() {
	wanted := q.prefetch.wanted()
	switch {
	case q.change.ending || wanted == q.prefetch.now && q.change.to == 0:
		return
	case q.change.to == 0 && wanted > q.prefetch.now:
		if !q.acks.hold(func(sent uint64) bool { return q.saturated(sent) }) {
			return
		}
		q.change.to = wanted
	case q.change.to == 0: // What it has leave for is too much already.
		q.acks.hold(func(uint64) bool { return true })
		q.change.to, q.change.late = wanted, time.After(saturates)
	default:
	}
	q.change.due = q.change.due || q.saturated(q.acks.upTo())
}

// saturated reports whether the consumer has all in hand that it may have.
func (q *queue) saturated(acknowledged uint64) bool {
	return int64(q.last-max(q.base, acknowledged)) >= int64(q.prefetch.now) //nolint:gosec // It is a small number.
}

// cease has the consumer end: its deliveries do when those on their way have
// come, and what it returns has been called.
func (q *queue) cease(end context.CancelCauseFunc) (call func()) {
	q.change.ending, q.change.late = true, nil
	consumer := q.consumer
	return func() {
		if err := q.ch.Cancel(consumer, false); err != nil {
			end(fmt.Errorf("end a consumer of %s: %w", q.name, err))
		}
	}
}

// succeed begins the next consumer.
func (q *queue) succeed() error {
	if err := q.release(); err != nil {
		return err
	}
	most := q.change.to
	q.change = change{}
	return q.consume(most)
}

// consume has the broker send messages until so many are in hand, besides those
// of a consumer before.
func (q *queue) consume(most int) (err error) {
	q.base, q.prefetch.now = q.last, most
	q.prefetch.leave.Store(int64(most))
	if err := q.ch.Qos(q.prefetch.now, 0, false); err != nil {
		return fmt.Errorf("set the prefetch of %s: %w", q.name, err)
	}
	q.consumer = "parley-" + rand.Text()
	if q.deliveries, err = q.ch.Consume(q.name, q.consumer, false, false, false, false, nil); err != nil {
		return fmt.Errorf("consume %s: %w", q.name, err)
	}
	return nil
}

// acks are the acknowledgements of a queue, by the tags of its deliveries.
type acks struct {
	mu   sync.Mutex
	held bool   // none may be sent: each has the broker send a message
	done uint64 // up to here they are handled
	sent uint64 // and up to here acknowledged
}

// hold keeps acknowledgements back from now on, if what was sent is right.
func (a *acks) hold(right func(sent uint64) bool) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.held = a.held || right(a.sent)
	return a.held
}

func (a *acks) upTo() uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.sent
}

// ack acknowledges all up to a tag, now or when it may.
func (q *queue) ack(tag uint64) error {
	q.acks.mu.Lock()
	defer q.acks.mu.Unlock()
	q.acks.done = tag
	return q.send()
}

// release sends what was held.
func (q *queue) release() error {
	q.acks.mu.Lock()
	defer q.acks.mu.Unlock()
	q.acks.held = false
	return q.send()
}

func (q *queue) send() error {
	if q.acks.held || q.acks.done == q.acks.sent {
		return nil
	}
	q.acks.sent = q.acks.done
	if err := q.ch.Ack(q.acks.sent, true); err != nil {
		return fmt.Errorf("acknowledge %s: %w", q.eventType, err) // It comes again.
	}
	return nil
}
