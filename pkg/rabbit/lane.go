package rabbit

import (
	"context"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Run keeps the connection that Publish publishes on until ctx ends. Publish
// then gives up what it waits for. A broker that is away, or holds another
// topology, is waited for.
func (t *Transport) Run(ctx context.Context) error {
	defer t.publisher.end()
	return t.keep(ctx, publishingOn, t.openLane)
}

func (t *Transport) openLane(ctx context.Context, s *session) error {
	blocked := s.NotifyBlocked(make(chan amqp.Blocking, 16))
	ch, err := s.Channel()
	if err != nil {
		return fmt.Errorf("open a channel: %w", err)
	}
	if err := t.declareExchange(ch); err != nil {
		return err
	}
	if err := t.declareListeners(ch); err != nil {
		return err
	}
	if err := t.declareOthers(s); err != nil {
		return err
	}
	if err := ch.Confirm(false); err != nil {
		return fmt.Errorf("ask for confirms: %w", err)
	}
	closed := ch.NotifyClose(make(chan *amqp.Error, 1))
	l := &lane{
		ch: ch, broken: make(chan error, 1), blocked: make(chan struct{}),
		returned: ch.NotifyReturn(make(chan amqp.Return, 2*maxPublishWindow)),
	}
	t.up(ctx, publishingOn, s)
	return t.offer(ctx, s, l, closed, blocked)
}

// offer lets Publish use the lane until it ends, but not while the broker takes
// no messages: writing to it would only fill the socket.
func (t *Transport) offer(
	ctx context.Context, s *session, l *lane, closed <-chan *amqp.Error, blocked <-chan amqp.Blocking,
) error {
	t.publisher.set(l)
	defer t.publisher.set(nil)
	again := time.NewTicker(topologyRetry)
	defer again.Stop()
	for open := true; ; {
		select {
		case <-ctx.Done():
			return nil
		case e := <-closed:
			return closedBy(e)
		case err := <-l.broken:
			return err
		case <-again.C:
			if !open || !t.lacks() {
				continue
			}
			s.within(setupTimeout)
			if err := t.declareOthers(s); err != nil {
				return err
			}
			s.within(0)
		case b, more := <-blocked:
			switch {
			case !more:
				return closedBy(<-closed)
			case b.Active && open:
				t.trouble(publishingOn, blockedByBroker+b.Reason)
				close(l.blocked)
				t.publisher.set(nil)
				open = false
			case !b.Active && !open:
				t.trouble(publishingOn, "")
				l = &lane{ch: l.ch, broken: l.broken, returned: l.returned, blocked: make(chan struct{})}
				t.publisher.set(l)
				open = true
			}
		}
	}
}

func closedBy(e *amqp.Error) error {
	if e == nil {
		return amqp.ErrClosed
	}
	return e
}
