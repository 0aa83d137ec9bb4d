package rabbit

import (
	"context"
	"errors"
	"fmt"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"

	"parley.internal/pkg/event"
)

var (
	errBlocked   = fmt.Errorf("%w: connection blocked by a resource alarm of the broker", event.ErrUnavailable)
	errLost      = fmt.Errorf("%w: connection lost", event.ErrUnavailable)
	errNacked    = errors.New("message nacked")
	errNoConfirm = fmt.Errorf("%w: no confirm in time", event.ErrUnavailable)
)

// confirmChannel is an AMQP channel in confirm mode.
type confirmChannel struct {
	ch       *amqp.Channel
	socket   *socket
	maxFrame int                // bytes of a frame (frame_max); 0 for no limit
	closed   <-chan *amqp.Error // for Run
	returned chan amqp.Return   // has room for two publish windows: the library never waits
	failed   chan error         // holds the first failure found by Publish

	// The following fields belong to the goroutine with the publisher's turn.
	closing   <-chan *amqp.Error // like closed, for Publish
	reason    *amqp.Error        // received from closing
	abandoned bool               // an earlier batch was not awaited: a loss may be caused by its messages
}

func openConfirmChannel(s *session) (*confirmChannel, error) {
	ch, err := s.openChannel()
	if err != nil {
		return nil, err
	}
	if err := ch.Confirm(false); err != nil {
		return nil, fmt.Errorf("enable confirms: %w", err)
	}
	return &confirmChannel{
		ch: ch, socket: s.socket, maxFrame: s.conn.Config.FrameSize,
		failed:   make(chan error, 1),
		closed:   ch.NotifyClose(make(chan *amqp.Error, 1)),
		closing:  ch.NotifyClose(make(chan *amqp.Error, 1)),
		returned: ch.NotifyReturn(make(chan amqp.Return, 2*maxPublishWindow)),
	}, nil
}

// fail reports a failure to Run, which opens another channel or reconnects.
func (c *confirmChannel) fail(err error) {
	select {
	case c.failed <- err:
	default:
	}
}

// result converts a settled confirm.
func (c *confirmChannel) result(confirm *amqp.DeferredConfirmation) error {
	switch {
	case confirm.Acked():
		return nil
	case c.ch.IsClosed():
		return errLost // The library nacks the outstanding confirms of a closed channel.
	default:
		return errNacked
	}
}

// collectReturns empties the buffer of returned messages. A return arrives before the confirm of
// the same message, so after the confirms the reasons are complete.
func (c *confirmChannel) collectReturns(reasons map[string]string) {
	for len(c.returned) > 0 {
		r := <-c.returned
		reasons[r.MessageId] = r.ReplyText
	}
}

// closeError returns the broker's reason for closing the channel, if it did.
func (c *confirmChannel) closeError(ctx context.Context) *amqp.Error {
	if c.reason == nil && c.ch.IsClosed() {
		select {
		case c.reason = <-c.closing:
		case <-ctx.Done():
		}
	}
	return c.reason
}

// offeredChannel is a confirm channel until the broker blocks its connection.
type offeredChannel struct {
	*confirmChannel

	blocked chan struct{} // closed when the connection is blocked: writes would only fill the socket buffer
}

// ended is offered after Run returned.
var ended = &offeredChannel{}

// channelSlot hands the present confirm channel from Run to Publish.
type channelSlot struct {
	mu      sync.Mutex
	offered *offeredChannel // nil while disconnected or blocked
	changed chan struct{}   // closed at each change
}

func (s *channelSlot) set(ch *offeredChannel) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offered = ch
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *channelSlot) offer(ch *confirmChannel) *offeredChannel {
	offered := &offeredChannel{ch, make(chan struct{})}
	s.set(offered)
	return offered
}

// wait waits for an open channel, up to connectTimeout.
func (s *channelSlot) wait(ctx context.Context) (*offeredChannel, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, connectTimeout, event.ErrUnavailable)
	defer cancel()
	for {
		s.mu.Lock()
		ch, changed := s.offered, s.changed
		s.mu.Unlock()
		switch {
		case ch == ended:
			return nil, event.ErrUnavailable
		case ch != nil && !ch.ch.IsClosed(): // Otherwise the next channel follows soon.
			return ch, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}
