package rabbit

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"parley.internal/pkg/event"
)

var (
	errBlocked   = fmt.Errorf("%w: the broker takes no messages", event.ErrUnavailable)
	errLost      = fmt.Errorf("%w: the connection was lost", event.ErrUnavailable)
	errNacked    = errors.New("the broker refused the message")
	errNoConfirm = fmt.Errorf("%w: the broker did not confirm in time", event.ErrUnavailable)
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
