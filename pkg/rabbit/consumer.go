package rabbit

import (
	"cmp"
	"context"
	"fmt"
	mathrand "math/rand/v2"
	"slices"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"parley.internal/pkg/event"
)

const (
	maxBatch        = 512 // deliveries handed over at once
	receiveRetry    = 100 * time.Millisecond
	receiveRetryMax = 5 * time.Second
)

// Subscribe implements event.Subscriber. Each queue has a channel of its own,
// all of them one connection. Batches mix the queues; one is in hand at a time.
// An error of run means that the broker holds another topology.
func (t *Transport) Subscribe(s event.Subscription) (run func(context.Context) error) {
	return func(ctx context.Context) error {
		return t.keep(ctx, s.Name, func(ctx context.Context, conn *session) error {
			return t.consume(ctx, conn, s)
		})
	}
}

// delivered is a message that has to be settled on its queue's channel.
type delivered struct {
	event.Message

	queue *queue
	tag   uint64
}

type queue struct {
	ch         *amqp.Channel
	name       string
	eventType  string
	consumer   string // its tag
	deliveries <-chan amqp.Delivery
	gate       *gate
	progress   progress
	acks       acks

	// What follows belongs to forward.
	prefetch prefetch
	change   change
	last     uint64 // the tag of the newest delivery
	base     uint64 // what it was when the consumer began
}

func (t *Transport) consume(ctx context.Context, conn *session, s event.Subscription) error {
	var queues []*queue
	for _, eventType := range s.Types {
		q, err := t.openQueue(conn, s.Name, eventType)
		if err != nil {
			return err
		}
		queues = append(queues, q)
	}
	asking, err := conn.Channel()
	if err != nil {
		return fmt.Errorf("open a channel: %w", err)
	}
	// over ends with the connection, with ctx, or with the first of the queues:
	// one that somebody deletes ends alone.
	over, end := context.WithCancelCause(ctx)
	come := newBasket()
	var forwarders sync.WaitGroup
	defer func() {
		end(nil)
		conn.within(closeTimeout)
		forwarders.Wait()
	}()
	defer t.consuming(queues)()
	for _, q := range queues {
		forwarders.Go(func() { q.forward(over, end, come) })
	}
	if s.CaughtUp != nil {
		forwarders.Go(func() {
			if err := t.watch(over, asking, s, queues, &conn.wire.gate); err != nil {
				end(err)
			}
		})
	}
	t.up(ctx, s.Name, conn)
	for {
		batch := come.take()
		if over.Err() != nil { // What is not begun goes back.
			return context.Cause(over)
		}
		if batch != nil {
			if err := t.receive(over, s, batch); err != nil {
				return err
			}
			continue
		}
		select {
		case <-over.Done():
		case <-come.there:
		}
	}
}

func (t *Transport) openQueue(conn *session, service, eventType string) (*queue, error) {
	ch, err := conn.Channel()
	if err != nil {
		return nil, fmt.Errorf("open a channel: %w", err)
	}
	if err := t.declareExchange(ch); err != nil {
		return nil, err
	}
	if err := t.declareQueue(ch, service, eventType); err != nil {
		return nil, err
	}
	q := &queue{
		ch: ch, name: Queue(service, eventType), eventType: eventType, gate: &conn.wire.gate,
		prefetch: prefetch{most: t.cfg.Prefetch},
	}
	return q, q.consume(min(prefetchFirst, t.cfg.Prefetch))
}

// forward hands a queue's deliveries on in their order. At the end it tells the
// broker to send no more, so that others get them while the batch in hand is
// finished; those not in hand go back when the connection ends.
func (q *queue) forward(over context.Context, end context.CancelCauseFunc, come *basket) {
	var calls sync.WaitGroup
	defer calls.Wait()
	for {
		select {
		case <-over.Done():
			q.stop()
			return
		case <-q.change.late:
			q.change.due = true
		case d, open := <-q.deliveries:
			if err := q.take(d, open); err != nil {
				end(err)
				return
			}
			if open {
				come.put(delivered{Message: received(d, q.eventType), queue: q, tag: d.DeliveryTag})
			}
		}
		if q.change.due && !q.change.ending {
			// Beside this: all that is on its way comes before the answer.
			calls.Go(q.cease(end))
		}
	}
}

// stop leaves nothing to hand back but what is not begun.
func (q *queue) stop() {
	_ = q.release() // The connection may have ended, or is about to.
	_ = q.ch.Cancel(q.consumer, true)
}

// take counts a delivery, and has the number of those in hand follow their size.
func (q *queue) take(d amqp.Delivery, open bool) error {
	switch {
	case open && d.DeliveryTag != q.last+1:
		// It would be acknowledged with its successors.
		return fmt.Errorf("the queue of %s: delivery %d came after %d", q.eventType, d.DeliveryTag, q.last)
	case open:
		q.last = d.DeliveryTag
		q.progress.delivered.Add(1)
		q.prefetch.came(len(d.Body))
		q.gate.add(int64(len(d.Body)))
		q.adapt()
		return nil
	case q.change.ending:
		return q.succeed()
	default:
		return fmt.Errorf("the queue of %s ended: %w", q.eventType, amqp.ErrClosed)
	}
}

// receive hands a batch over until it is taken, and then acknowledges it. What
// the receiver does not take stays in hand: giving it back would only have it
// come again at once.
func (t *Transport) receive(over context.Context, s event.Subscription, batch []delivered) error {
	messages := inOrder(batch)
	defer t.untaken(s.Name, "")
	for retry := receiveRetry; ; retry = min(2*retry, receiveRetryMax) {
		err := s.Receive(over, messages)
		if err == nil {
			return settle(batch)
		}
		if over.Err() != nil {
			return context.Cause(over)
		}
		t.untaken(s.Name, "what arrives cannot be stored: "+err.Error())
		t.cfg.Log.WarnContext(over, "events not received", "service", s.Name, "events", len(batch), "error", err, "retry", retry)
		pause(over, retry/2+mathrand.N(retry/2)) //nolint:gosec // Jitter is no secret.
	}
}

// partition is what has an order of its own: two services may count alike.
type partition struct{ source, key string }

// inOrder is what a batch holds, each partition in its sequence: queues are
// mixed, so a successor may have come first.
func inOrder(batch []delivered) []event.Message {
	messages := make([]event.Message, len(batch))
	places := make(map[partition][]int)
	for i, d := range batch {
		messages[i] = d.Message
		if d.Ordered() {
			p := partition{d.Source, d.PartitionKey}
			places[p] = append(places[p], i)
		}
	}
	for _, at := range places {
		if len(at) == 1 {
			continue
		}
		some := make([]event.Message, len(at))
		for i, place := range at {
			some[i] = messages[place]
		}
		slices.SortStableFunc(some, func(a, b event.Message) int { return cmp.Compare(a.Sequence, b.Sequence) })
		for i, place := range at {
			messages[place] = some[i]
		}
	}
	return messages
}

// settle acknowledges a batch, each queue up to its newest delivery: the older
// ones were in this batch or in one before it.
func settle(batch []delivered) error {
	newest, settled, bytes := make(map[*queue]uint64), make(map[*queue]int64), make(map[*queue]int64)
	for _, d := range batch {
		newest[d.queue] = max(newest[d.queue], d.tag)
		settled[d.queue]++
		bytes[d.queue] += int64(len(d.Data))
	}
	for q, tag := range newest {
		if err := q.ack(tag); err != nil {
			return err
		}
		q.progress.settled.Add(settled[q])
		q.prefetch.bytes.Add(-bytes[q])
		q.gate.add(-bytes[q])
	}
	return nil
}
