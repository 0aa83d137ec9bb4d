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

// batch is what is published in a row on one lane.
type batch struct {
	messages []event.Message
	results  []error
	confirms []*amqp.DeferredConfirmation // nil: not sent
	returned map[string]string            // why, by id
}

// publish publishes messages, or what of them comes before the first trouble and
// shares that: at least one.
func (t *Transport) publish(ctx context.Context, messages []event.Message) []error {
	select {
	case t.publisher.turn <- struct{}{}:
		defer func() { <-t.publisher.turn }()
	case <-ctx.Done():
		return all(len(messages), ctx.Err())
	}
	l, err := t.publisher.ready(ctx)
	if err != nil {
		return all(len(messages), err)
	}
	b := batch{
		messages: messages, results: make([]error, len(messages)),
		confirms: make([]*amqp.DeferredConfirmation, len(messages)), returned: make(map[string]string),
	}
	results := b.results[:t.flow(ctx, l, b)]
	t.publisher.losses.judge(ctx, l, messages, results)
	if slices.ContainsFunc(results, func(err error) bool { return errors.Is(err, errNacked) }) {
		// RabbitMQ has a channel look for the leader of a quorum queue once. If that
		// was where the leader died, it refuses for ever what a new one takes.
		l.fail(errNacked)
	}
	for i := range results {
		if reason, is := b.returned[messages[i].ID]; is && results[i] == nil {
			results[i] = fmt.Errorf("%w (%s)", event.ErrUnroutable, reason)
		}
	}
	return results
}

// flow sends one half of a window while the confirms of the other are on their
// way, until the batch is published or there is trouble. It returns how many it
// has sent, or could not.
func (t *Transport) flow(ctx context.Context, l *lane, b batch) (sent int) {
	l.returns(b.returned)
	clear(b.returned) // Those of a batch that was given up.
	confirmed := 0
	for smooth := true; smooth && sent < len(b.messages); {
		from := sent
		sent = min(from+maxPublishWindow/2, len(b.messages))
		smooth = t.send(l, b, from, sent)
		smooth = l.collect(ctx, b, confirmed, from) && smooth
		confirmed = from
	}
	l.collect(ctx, b, confirmed, sent)
	return sent
}

// send sends some of a batch without waiting. What it does not send has a result
// and no confirm. It reports whether all is well.
func (t *Transport) send(l *lane, b batch, from, to int) bool {
	l.wire.hold()
	for i := from; i < to; i++ {
		if l.isBlocked() {
			copy(b.results[i:to], all(to-i, errBlocked))
			break
		}
		p := publishing(b.messages[i])
		if b.results[i] = room(p, l.frame); b.results[i] != nil {
			continue
		}
		var err error
		if b.confirms[i], err = t.sendOne(l.ch, p); err != nil {
			copy(b.results[i:to], all(to-i, fmt.Errorf("%w: %w", errLost, err)))
			l.fail(err)
			break
		}
	}
	err := l.wire.send()
	if err != nil { // The confirms tell of it.
		l.fail(err)
	}
	return err == nil && !slices.ContainsFunc(b.results[from:to], isTrouble)
}

// isTrouble reports whether what befell a message may befall those behind it.
func isTrouble(err error) bool { return err != nil && !errors.Is(err, event.ErrRefused) }

// sendOne publishes a message for those who keep it, and for listeners a copy that
// nobody waits for: it is on the same channel, so what loses it loses the
// confirm of the message too, which then is published again.
//
// A copy of everything would cost a third of what can be published.
func (t *Transport) sendOne(ch *amqp.Channel, p amqp.Publishing) (*amqp.DeferredConfirmation, error) {
	confirm, err := ch.PublishWithDeferredConfirm(t.cfg.Exchange, p.Type, true, false, p)
	if err != nil {
		return nil, err //nolint:wrapcheck // send says what it was doing.
	}
	if !t.isHeard(p.Type) {
		return confirm, nil
	}
	p.DeliveryMode = amqp.Transient
	if _, err = ch.PublishWithDeferredConfirm(Listeners(t.cfg.Exchange), p.Type, false, false, p); err != nil {
		return nil, err //nolint:wrapcheck // As above.
	}
	return confirm, nil
}

// collect waits for the confirms of some of a batch. A broker that confirms
// nothing is given up, unless it has said that it takes no messages: it will
// confirm them later, and then they come twice. It reports whether all is well.
func (l *lane) collect(ctx context.Context, b batch, from, to int) bool {
	timeout := time.NewTimer(confirmTimeout)
	defer timeout.Stop()
	for i := from; i < to; i++ {
		confirm := b.confirms[i]
		if confirm == nil {
			continue
		}
		select {
		case <-confirm.Done(): // Also when the broker blocked the connection since.
			b.results[i] = l.verdict(confirm)
			continue
		default:
		}
		select {
		case <-confirm.Done():
			b.results[i] = l.verdict(confirm)
		case <-l.blocked:
			b.results[i], l.unsettled = errBlocked, true
		case <-ctx.Done():
			b.results[i], l.unsettled = ctx.Err(), true
		case <-timeout.C:
			timeout.Reset(0)
			b.results[i] = errNoConfirm
			l.fail(errNoConfirm)
		}
	}
	l.returns(b.returned)
	return !slices.ContainsFunc(b.results[from:to], isTrouble)
}

// isBlocked reports whether the broker takes no messages: what is sent then
// only fills the socket.
func (l *lane) isBlocked() bool {
	select {
	case <-l.blocked:
		return true
	default:
		return false
	}
}

func (l *lane) verdict(confirm *amqp.DeferredConfirmation) error {
	switch {
	case confirm.Acked():
		return nil
	case l.ch.IsClosed():
		return errLost // The library settles what nobody confirmed.
	default:
		return errNacked
	}
}

// returns empties the buffer of returned messages. A return arrives before the
// confirm of the same message, so after the confirms it is complete.
func (l *lane) returns(reasons map[string]string) {
	for {
		select {
		case r, open := <-l.returned:
			if !open {
				return
			}
			reasons[r.MessageId] = r.ReplyText
		default:
			return
		}
	}
}
