package rabbit

import (
	"context"
	"errors"
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
	if err := t.declareOthers(ctx, s); err != nil {
		return err
	}
	if err := ch.Close(); err != nil {
		return fmt.Errorf("close a channel: %w", err)
	}
	for first := true; ; first = false {
		l, err := newLane(s)
		if err != nil {
			return err
		}
		if first {
			t.up(ctx, publishingOn, s)
		}
		s.within(0)
		err = t.offer(ctx, s, l, blocked)
		switch {
		case ctx.Err() != nil:
			return err
		case isOfChannel(err):
			s.within(setupTimeout)
			continue
		case !errors.Is(err, errNacked):
			return err
		}
		pause(ctx, nackedRetry)
		s.within(setupTimeout)
		if err := l.ch.Close(); err != nil {
			return fmt.Errorf("close a channel: %w", err)
		}
	}
}

func newLane(s *session) (*lane, error) {
	ch, err := s.Channel()
	if err != nil {
		return nil, fmt.Errorf("open a channel: %w", err)
	}
	if err := ch.Confirm(false); err != nil {
		return nil, fmt.Errorf("ask for confirms: %w", err)
	}
	return &lane{
		ch: ch, wire: s.wire, broken: make(chan error, 1), blocked: make(chan struct{}),
		closed:   ch.NotifyClose(make(chan *amqp.Error, 1)),
		over:     ch.NotifyClose(make(chan *amqp.Error, 1)),
		frame:    s.Config.FrameSize,
		returned: ch.NotifyReturn(make(chan amqp.Return, 2*maxPublishWindow)),
	}, nil
}

// offer lets Publish use the lane until it ends, but not while the broker takes
// no messages: writing to it would only fill the socket. errNacked says that a
// new channel is needed, and nothing else.
func (t *Transport) offer(ctx context.Context, s *session, l *lane, blocked <-chan amqp.Blocking) error {
	t.publisher.set(l)
	defer t.publisher.set(nil)
	again := time.NewTicker(topologyRetry)
	defer again.Stop()
	for open := true; ; {
		select {
		case <-ctx.Done():
			return nil
		case e := <-l.closed:
			return closedBy(e)
		case err := <-l.broken:
			if l.ch.IsClosed() { // Why, is said there.
				return closedBy(<-l.closed)
			}
			if !open { // Nothing can be opened on a connection that is blocked.
				return fmt.Errorf("%w: %v", errLost, err) //nolint:errorlint // errNacked is another case.
			}
			return err
		case <-again.C:
			if !open || !t.lacks() {
				continue
			}
			s.within(setupTimeout)
			if err := t.declareOthers(ctx, s); err != nil {
				return err
			}
			s.within(0)
		case b, more := <-blocked:
			switch {
			case !more:
				return closedBy(<-l.closed)
			case b.Active && open:
				t.trouble(publishingOn, blockedByBroker+b.Reason)
				close(l.blocked)
				t.publisher.set(nil)
				open = false
			case !b.Active && !open:
				t.trouble(publishingOn, "")
				l = l.unblocked()
				t.publisher.set(l)
				open = true
			}
		}
	}
}

// unblocked is the lane for when its channel takes messages again.
func (l *lane) unblocked() *lane {
	return &lane{
		ch: l.ch, wire: l.wire, closed: l.closed, broken: l.broken, returned: l.returned, blocked: make(chan struct{}),
		over: l.over, frame: l.frame, unsettled: true,
	}
}

func closedBy(e *amqp.Error) error {
	if e == nil {
		return amqp.ErrClosed
	}
	return e
}
