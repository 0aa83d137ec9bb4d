package rabbit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"parley.internal/pkg/event"
)

var (
	errBlocked   = fmt.Errorf("%w: the broker takes no messages", event.ErrUnavailable)
	errLost      = fmt.Errorf("%w: the connection was lost", event.ErrUnavailable)
	errNacked    = errors.New("the broker refused the message")
	errNoConfirm = errors.New("the broker did not confirm in time")
)

// publisher is the publishing side of a Transport: one connection at a time.
type publisher struct {
	turn chan struct{} // holds one token while something is published

	mu      sync.Mutex
	lane    *lane         // nil while there is no connection, or it is blocked
	ended   bool          // there will be no other
	changed chan struct{} // closed when these change

	losses losses // of who has the turn
}

// lane is a channel in confirm mode.
type lane struct {
	ch       *amqp.Channel
	wire     *wire
	closed   <-chan *amqp.Error
	returned chan amqp.Return // never full: it holds more than a window
	broken   chan error       // what ended it; holds one
	blocked  chan struct{}    // closed when the broker blocks the connection

	frame     int                // the most bytes of a frame; 0: no limit
	over      <-chan *amqp.Error // as closed, for who publishes
	cause     *amqp.Error        // what over said
	unsettled bool               // a batch was given up: what comes may be about that one
}

func (p *publisher) init() {
	p.turn = make(chan struct{}, 1)
	p.changed = make(chan struct{})
}

func (p *publisher) set(l *lane) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lane = l
	close(p.changed)
	p.changed = make(chan struct{})
}

// end has nobody wait for a lane any more, until there is one again.
func (p *publisher) end() {
	p.mu.Lock()
	p.ended = true
	p.mu.Unlock()
	p.set(nil)
}

// ready waits for a lane.
func (p *publisher) ready(ctx context.Context) (*lane, error) {
	timeout := time.NewTimer(readyTimeout)
	defer timeout.Stop()
	for {
		p.mu.Lock()
		l, ended, changed := p.lane, p.ended, p.changed
		p.mu.Unlock()
		switch {
		case l != nil && !l.ch.IsClosed(): // Else the next one is on its way.
			return l, nil
		case ended:
			return nil, event.ErrUnavailable
		}
		select {
		case <-changed:
		case <-timeout.C:
			return nil, event.ErrUnavailable
		case <-ctx.Done():
			return nil, ctx.Err() //nolint:wrapcheck // It is the caller's own.
		}
	}
}

// Publish implements event.Publisher: it publishes messages without waiting, but
// for a window of confirms. A message is taken if it was confirmed and not
// returned. One that the broker will not take is found by publishing those that
// were lost with it again, one by one: it is refused, the others are taken.
func (t *Transport) Publish(ctx context.Context, batch []event.Message) []error {
	results := make([]error, 0, len(batch))
	for len(results) < len(batch) {
		rest := batch[len(results):]
		some := t.publish(ctx, rest)
		t.sift(ctx, rest[:len(some)], some)
		results = append(results, some...)
	}
	return results
}

// publish publishes a batch, or what of it comes before the first trouble and
// shares that: at least one message. While it waits for the confirms of one half
// of a window, the other is on its way.
func (t *Transport) publish(ctx context.Context, batch []event.Message) []error {
	select {
	case t.publisher.turn <- struct{}{}:
		defer func() { <-t.publisher.turn }()
	case <-ctx.Done():
		return all(len(batch), ctx.Err())
	}
	l, err := t.publisher.ready(ctx)
	if err != nil {
		return all(len(batch), err)
	}
	returned := make(map[string]string)
	l.returns(returned)
	clear(returned) // Those of a batch that was given up.
	confirms, results := make([]*amqp.DeferredConfirmation, len(batch)), make([]error, len(batch))
	confirmed, sent := 0, 0
	for smooth := true; smooth && sent < len(batch); {
		from := sent
		sent = min(from+maxPublishWindow/2, len(batch))
		smooth = t.sendAll(l, batch[from:sent], confirms[from:sent], results[from:sent])
		smooth = l.collect(ctx, confirms[confirmed:from], results[confirmed:from]) && smooth
		l.returns(returned)
		confirmed = from
	}
	l.collect(ctx, confirms[confirmed:sent], results[confirmed:sent])
	l.returns(returned)
	batch, results = batch[:sent], results[:sent]
	t.publisher.losses.judge(ctx, l, batch, results)
	if slices.ContainsFunc(results, func(err error) bool { return errors.Is(err, errNacked) }) {
		// RabbitMQ has a channel look for the leader of a quorum queue once. If that
		// was where the leader died, it refuses for ever what a new one takes.
		l.fail(errNacked)
	}
	for i, m := range batch {
		if reason, ok := returned[m.ID]; ok && results[i] == nil {
			results[i] = fmt.Errorf("%w (%s)", event.ErrUnroutable, reason)
		}
	}
	return results
}

// sendAll publishes messages without waiting for their confirms. Those that it
// does not publish have a result, and no confirm. It reports whether the lane
// still is in order.
func (t *Transport) sendAll(l *lane, batch []event.Message, confirms []*amqp.DeferredConfirmation, results []error) bool {
	l.wire.hold()
	for i, m := range batch {
		if l.isBlocked() {
			copy(results[i:], all(len(batch)-i, errBlocked))
			break
		}
		p := publishing(m)
		if results[i] = room(p, l.frame); results[i] != nil {
			continue
		}
		var err error
		if confirms[i], err = t.send(l.ch, p); err != nil {
			copy(results[i:], all(len(batch)-i, fmt.Errorf("%w: %w", errLost, err)))
			l.fail(err)
			break
		}
	}
	err := l.wire.send()
	if err != nil { // The confirms tell of it.
		l.fail(err)
	}
	return err == nil && !slices.ContainsFunc(results, isTrouble)
}

// isTrouble reports whether what befell a message may befall those behind it.
func isTrouble(err error) bool { return err != nil && !errors.Is(err, event.ErrRefused) }

// send publishes a message for those who keep it, and for listeners a copy that
// nobody waits for: it is on the same channel, so what loses it loses the
// confirm of the message too, which then is published again.
//
// A copy of everything would cost a third of what can be published.
func (t *Transport) send(ch *amqp.Channel, p amqp.Publishing) (*amqp.DeferredConfirmation, error) {
	confirm, err := ch.PublishWithDeferredConfirm(t.cfg.Exchange, p.Type, true, false, p)
	if err != nil {
		return nil, err //nolint:wrapcheck // publish says what it was doing.
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

// collect waits for the confirms. A broker that confirms nothing is given up,
// unless it has said that it takes no messages: it will confirm them later,
// and then they come twice. It reports whether all is well.
func (l *lane) collect(ctx context.Context, confirms []*amqp.DeferredConfirmation, results []error) bool {
	timeout := time.NewTimer(confirmTimeout)
	defer timeout.Stop()
	for i, confirm := range confirms {
		if confirm == nil {
			continue
		}
		select {
		case <-confirm.Done(): // Also when the broker blocked the connection since.
			results[i] = l.verdict(confirm)
			continue
		default:
		}
		select {
		case <-confirm.Done():
			results[i] = l.verdict(confirm)
		case <-l.blocked:
			results[i], l.unsettled = errBlocked, true
		case <-ctx.Done():
			results[i], l.unsettled = ctx.Err(), true
		case <-timeout.C:
			timeout.Reset(0)
			results[i] = errNoConfirm
			l.fail(errNoConfirm)
		}
	}
	return !slices.ContainsFunc(results, isTrouble)
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

// fail has the connection made anew.
func (l *lane) fail(err error) {
	select {
	case l.broken <- err:
	default:
	}
}

func all(n int, err error) []error {
	results := make([]error, n)
	for i := range results {
		results[i] = err
	}
	return results
}
