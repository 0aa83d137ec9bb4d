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
	acks     ackSender

	// The following fields belong to forward.
	prefetch    prefetch
	replacement replacement
	tag         string // of the present consumer
	deliveries  <-chan amqp.Delivery
	last        uint64 // the tag of the newest delivery
	first       uint64 // the value of last at the start of the present consumer
}

// replacement is the state of replacing a consumer by another with a different prefetch.
type replacement struct {
	prefetch  int              // of the new consumer; 0 if none is planned
	deadline  <-chan time.Time // cancels the consumer even if it is not saturated
	due       bool
	cancelled bool
}

// newQueueConsumer starts a consumer with a low prefetch: the size of the messages is unknown.
func newQueueConsumer(ch *amqp.Channel, name queueName, limiter *byteLimiter, maxPrefetch int) (*queueConsumer, error) {
	q := &queueConsumer{
		name: name, ch: ch, limiter: limiter, prefetch: prefetch{max: maxPrefetch},
		acks: ackSender{ch: ch, queue: name},
	}
	return q, q.start(min(initialPrefetch, maxPrefetch))
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
			_ = q.acks.release() // The connection may be closed already.
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
			// In the background, because deliveries must be read until the broker replies.
			cancels.Go(q.cancel(fail))
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
	switch {
	case q.replacement.cancelled || wanted == current && q.replacement.prefetch == 0:
		return
	case q.replacement.prefetch == 0 && wanted > current:
		if !q.acks.hold(q.saturated) {
			return
		}
		q.replacement.prefetch = wanted
	case q.replacement.prefetch == 0: // The present prefetch is too high already.
		q.acks.hold(func(uint64) bool { return true })
		q.replacement.prefetch, q.replacement.deadline = wanted, time.After(maxSaturation)
	default:
	}
	q.replacement.due = q.replacement.due || q.saturated(q.acks.upTo())
}

// saturated reports whether the number of unacked messages equals the prefetch.
func (q *queueConsumer) saturated(acknowledged uint64) bool {
	return int64(q.last-max(q.first, acknowledged)) >= q.prefetch.current.Load() //nolint:gosec // The difference is small.
}

// cancel returns a function to cancel the present consumer. The deliveries in flight follow; then
// their channel is closed.
func (q *queueConsumer) cancel(fail context.CancelCauseFunc) (call func()) {
	q.replacement.cancelled, q.replacement.deadline = true, nil
	tag := q.tag
	return func() {
		if err := q.ch.Cancel(tag, false); err != nil {
			fail(fmt.Errorf("cancel the consumer of %s: %w", q.name, err))
		}
	}
}

// replace starts the planned consumer after the end of the cancelled consumer.
func (q *queueConsumer) replace() error {
	if !q.replacement.cancelled {
		return fmt.Errorf("consumer of %s ended: %w", q.name, amqp.ErrClosed)
	}
	if err := q.acks.release(); err != nil {
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

// ackSender sends acknowledgements, each for all deliveries up to a tag.
type ackSender struct {
	ch    *amqp.Channel
	queue queueName

	mu   sync.Mutex
	held bool   // each acknowledgement allows the broker to send another message
	done uint64 // acknowledged by the receiver up to this tag
	sent uint64 // acknowledged to the broker up to this tag
}

// hold delays acknowledgements from now on if the condition holds for the last sent tag.
func (a *ackSender) hold(condition func(sent uint64) bool) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.held = a.held || condition(a.sent)
	return a.held
}

func (a *ackSender) upTo() uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.sent
}

// ack acknowledges all deliveries up to a tag, at once or at the next release.
func (a *ackSender) ack(tag uint64) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.done = tag
	return a.send()
}

// release sends the held acknowledgements.
func (a *ackSender) release() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.held = false
	return a.send()
}

func (a *ackSender) send() error {
	if a.held || a.done == a.sent {
		return nil
	}
	a.sent = a.done
	if err := a.ch.Ack(a.sent, true); err != nil {
		return fmt.Errorf("acknowledge %s: %w", a.queue, err)
	}
	return nil
}
