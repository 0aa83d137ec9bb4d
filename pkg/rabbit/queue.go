package rabbit

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// queueConsumer consumes one queue on a channel of its own. AMQP cannot change the prefetch of a
// consumer, so a new consumer on the same channel replaces it.
type queueConsumer struct {
	name     queueName
	ch       *amqp.Channel
	limiter  *byteLimiter
	progress caughtUp

	// The following fields belong to forward.
	prefetch    prefetch
	replacement replacement
	tag         string // of the present consumer
	deliveries  <-chan amqp.Delivery
	last        uint64 // the tag of the newest delivery
	first       uint64 // the value of last at the start of the present consumer

	mu       sync.Mutex
	received uint64 // acknowledged by the receiver up to this tag
	acked    uint64 // acknowledged to the broker up to this tag
	holdAcks bool   // each acknowledgement allows the broker to send another message
}

// replacement is the state of replacing a consumer by another with a different prefetch.
type replacement struct {
	prefetch  int              // of the new consumer; 0 if none is planned
	deadline  <-chan time.Time // cancels the consumer even if it is not saturated
	due       bool
	cancelled bool
}

// start begins a consumer with a prefetch of its own, in addition to the unacked messages of the
// consumer before it.
func (q *queueConsumer) start(prefetch int) (err error) {
	q.first = q.last
	q.prefetch.current.Store(int64(prefetch))
	if err := q.ch.Qos(prefetch, 0, false); err != nil {
		return fmt.Errorf("set the prefetch of %s: %w", q.name, err)
	}
	q.tag = "parley-" + rand.Text()
	if q.deliveries, err = q.ch.Consume(q.name.String(), q.tag, false, false, false, false, nil); err != nil {
		return fmt.Errorf("consume %s: %w", q.name, err)
	}
	return nil
}

// forward adds the deliveries of the queue to the buffer, in their order, until running ends. Then
// it cancels the consumer: other processes get further messages while the last batch is handled,
// and unhandled deliveries are requeued when the connection closes.
func (q *queueConsumer) forward(running context.Context, fail context.CancelCauseFunc, buffer *deliveryBuffer) {
	var cancels sync.WaitGroup
	defer cancels.Wait()
	for {
		select {
		case <-running.Done():
			_ = q.releaseAcks() // The connection may be closed already.
			_ = q.ch.Cancel(q.tag, true)
			return
		case <-q.replacement.deadline:
			q.replacement.due = true
		case d, open := <-q.deliveries:
			var err error
			if open {
				err = q.add(d, buffer)
			} else {
				err = q.replace()
			}
			if err != nil {
				fail(err)
				return
			}
		}
		if q.replacement.due && !q.replacement.cancelled {
			q.replacement.cancelled, q.replacement.deadline = true, nil
			tag := q.tag
			cancels.Go(func() { // Deliveries must be read until the broker replies. Their channel is closed then.
				if err := q.ch.Cancel(tag, false); err != nil {
					fail(fmt.Errorf("cancel the consumer of %s: %w", q.name, err))
				}
			})
		}
	}
}

// add counts and buffers a delivery, and adapts the prefetch to the size of the messages.
func (q *queueConsumer) add(d amqp.Delivery, buffer *deliveryBuffer) error {
	if d.DeliveryTag != q.last+1 {
		// An acknowledgement of a later delivery would include the missing delivery.
		return fmt.Errorf("queue %s: delivery %d follows %d", q.name, d.DeliveryTag, q.last)
	}
	q.last = d.DeliveryTag
	q.progress.delivered.Add(1)
	q.prefetch.observe(len(d.Body))
	q.limiter.add(int64(len(d.Body)))
	q.adapt()
	buffer.add(delivery{Message: decode(d, q.name.eventType), queue: q, tag: d.DeliveryTag})
	return nil
}

// adapt plans or advances the replacement of the consumer if the prefetch does not fit the size of
// the messages. A consumer is best cancelled while saturated: then no delivery can be in flight.
// RabbitMQ requeues deliveries in flight of a quorum queue, and delivers later messages first.
func (q *queueConsumer) adapt() {
	wanted, current := q.prefetch.wanted(), int(q.prefetch.current.Load())
	if q.replacement.cancelled || wanted == current && q.replacement.prefetch == 0 {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	saturated := q.last-max(q.first, q.acked) >= uint64(current) //nolint:gosec // A prefetch is positive.
	if q.replacement.prefetch == 0 {
		if wanted > current && !saturated {
			return
		}
		q.holdAcks, q.replacement.prefetch = true, wanted
		if wanted < current { // The present prefetch is too high already.
			q.replacement.deadline = time.After(maxSaturation)
		}
	}
	q.replacement.due = q.replacement.due || saturated
}

// replace starts the planned consumer after the end of the cancelled consumer.
func (q *queueConsumer) replace() error {
	if !q.replacement.cancelled {
		return fmt.Errorf("consumer of %s ended: %w", q.name, amqp.ErrClosed)
	}
	if err := q.releaseAcks(); err != nil {
		return err
	}
	prefetch := q.replacement.prefetch
	q.replacement = replacement{}
	return q.start(prefetch)
}

// countHandled counts a handled message.
func (q *queueConsumer) countHandled(bytes int64) {
	q.progress.handled.Add(1)
	q.prefetch.bytes.Add(-bytes)
	q.limiter.add(-bytes)
}

// unacked reads handled before delivered, because a handled message was delivered before.
func (q *queueConsumer) unacked() Unacked {
	handled := q.progress.handled.Load()
	return Unacked{q.name.String(), q.progress.delivered.Load() - handled, q.prefetch.bytes.Load()}
}

// ack acknowledges all deliveries up to a tag, at once or at the next releaseAcks.
func (q *queueConsumer) ack(tag uint64) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.received = tag
	return q.sendAck()
}

// releaseAcks sends the held acknowledgements.
func (q *queueConsumer) releaseAcks() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.holdAcks = false
	return q.sendAck()
}

func (q *queueConsumer) sendAck() error {
	if q.holdAcks || q.received == q.acked {
		return nil
	}
	q.acked = q.received
	if err := q.ch.Ack(q.acked, true); err != nil {
		return fmt.Errorf("acknowledge %s: %w", q.name, err)
	}
	return nil
}
