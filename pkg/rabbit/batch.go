package rabbit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"parley.internal/pkg/event"
)

const (
	maxPublishWindow = 512 // unconfirmed messages in flight
	confirmTimeout   = 10 * time.Second
)

// batch is a series of messages published on one channel.
type batch struct {
	publisher *Publisher
	channel   *offeredChannel
	messages  []event.Message
	results   []error
	confirms  []*amqp.DeferredConfirmation // nil for an unsent message
	returned  map[string]string            // reasons of unroutable messages, by message id
}

// publish sends the messages up to the first failure, and returns the results of all sent messages
// and of messages with a failed send. It sends one half of a publish window while the confirms of the
// other half are in flight.
func (b *batch) publish(ctx context.Context) []error {
	b.channel.collectReturns(b.returned)
	clear(b.returned) // They belong to an abandoned batch.
	sent, confirmed := 0, 0
	for ok := true; ok && sent < len(b.messages); {
		from := sent
		sent = min(from+maxPublishWindow/2, len(b.messages))
		ok = b.send(from, sent)
		ok = b.awaitConfirms(ctx, confirmed, from) && ok
		confirmed = from
	}
	b.awaitConfirms(ctx, confirmed, sent)
	for i, m := range b.messages[:sent] {
		reason, returned := b.returned[m.ID]
		switch {
		case returned && b.results[i] == nil:
			b.results[i] = fmt.Errorf("%w (%s)", event.ErrUnroutable, reason)
		case errors.Is(b.results[i], errNacked):
			// A channel of RabbitMQ looks up the leader of a quorum queue once. After the death of
			// this leader it nacks for ever; a new channel finds the new leader.
			b.channel.fail(errNacked)
		}
	}
	return b.results[:sent]
}

// send sends a range of messages without waiting, and reports whether no failure occurred. An
// unsent message has a result and no confirm.
func (b *batch) send(from, to int) bool {
	ch := b.channel
	ch.socket.startBuffering()
	for i := from; i < to; i++ {
		m := encode(b.messages[i])
		if b.results[i] = checkSize(m, ch.maxFrame); b.results[i] != nil {
			continue
		}
		var err error
		if b.confirms[i], err = b.sendMessage(m); err != nil {
			copy(b.results[i:to], slices.Repeat([]error{err}, to-i))
			break
		}
	}
	err := ch.socket.stopBuffering()
	if err != nil { // The confirms report the loss.
		ch.fail(err)
	}
	return err == nil && !slices.ContainsFunc(b.results[from:to], affectsOthers)
}

// affectsOthers reports whether the failure of a message may also concern the following messages.
func affectsOthers(err error) bool { return err != nil && !errors.Is(err, event.ErrRejected) }

// sendMessage publishes a message to the durable queues, and to listeners an unconfirmed copy on
// the same channel: a loss of the copy loses the confirm of the message, too, and both are
// published again.
func (b *batch) sendMessage(m amqp.Publishing) (*amqp.DeferredConfirmation, error) {
	select {
	case <-b.channel.blocked:
		return nil, errBlocked
	default:
	}
	exchange := b.publisher.topology.exchange
	confirm, err := b.channel.ch.PublishWithDeferredConfirm(exchange, m.Type, true, false, m)
	if err == nil && b.publisher.copies(m.Type) {
		m.DeliveryMode = amqp.Transient
		_, err = b.channel.ch.PublishWithDeferredConfirm(ListenersExchange(exchange), m.Type, false, false, m)
	}
	if err != nil {
		b.channel.fail(err)
		return nil, fmt.Errorf("%w: %w", errLost, err)
	}
	return confirm, nil
}

// awaitConfirms waits for the confirms of a range of messages, and reports whether no failure
// occurred. If confirms do not arrive in time, the connection is closed, unless the broker blocks
// the connection: then the confirms arrive later, and the messages are delivered twice.
func (b *batch) awaitConfirms(ctx context.Context, from, to int) bool {
	timeout := time.NewTimer(confirmTimeout)
	defer timeout.Stop()
	ch := b.channel
	for i := from; i < to; i++ {
		confirm := b.confirms[i]
		if confirm == nil {
			continue
		}
		select {
		case <-confirm.Done(): // even if the connection was blocked afterwards
			b.results[i] = ch.result(confirm)
			continue
		default:
		}
		select {
		case <-confirm.Done():
			b.results[i] = ch.result(confirm)
		case <-ch.blocked:
			b.results[i], ch.abandoned = errBlocked, true
		case <-ctx.Done():
			b.results[i], ch.abandoned = ctx.Err(), true
		case <-timeout.C:
			timeout.Reset(0)
			b.results[i] = errNoConfirm
			ch.fail(errNoConfirm)
		}
	}
	ch.collectReturns(b.returned)
	return !slices.ContainsFunc(b.results[from:to], affectsOthers)
}
