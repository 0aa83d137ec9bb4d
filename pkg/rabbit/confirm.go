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
	for {
		select {
		case r, open := <-c.returned:
			if !open {
				return
			}
			reasons[r.MessageId] = r.ReplyText
		default:
			return
		}
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

// channelSlot hands the present confirm channel from Run to Publish.
type channelSlot struct {
	mu      sync.Mutex
	channel *confirmChannel // nil while disconnected or blocked
	blocked chan struct{}   // closed when the broker blocks the connection of channel
	ended   bool            // Run has returned
	changed chan struct{}   // closed at each change
}

func (s *channelSlot) set(ch *confirmChannel) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.channel, s.blocked = ch, make(chan struct{})
	close(s.changed)
	s.changed = make(chan struct{})
}

// block fails the batches in flight and makes wait wait, until the next set.
func (s *channelSlot) block() {
	s.mu.Lock()
	close(s.blocked)
	s.mu.Unlock()
	s.set(nil)
}

// end makes wait fail at once from now on.
func (s *channelSlot) end() {
	s.mu.Lock()
	s.ended = true
	s.mu.Unlock()
	s.set(nil)
}

// wait waits for an open channel, up to connectTimeout. blocked is closed when the broker blocks
// the connection: writes would only fill the socket buffer.
func (s *channelSlot) wait(ctx context.Context) (ch *confirmChannel, blocked <-chan struct{}, err error) {
	timeout := time.NewTimer(connectTimeout)
	defer timeout.Stop()
	for {
		s.mu.Lock()
		ch, blocked, ended, changed := s.channel, s.blocked, s.ended, s.changed
		s.mu.Unlock()
		switch {
		case ch != nil && !ch.ch.IsClosed(): // Otherwise the next channel follows soon.
			return ch, blocked, nil
		case ended:
			return nil, nil, event.ErrUnavailable
		}
		select {
		case <-changed:
		case <-timeout.C:
			return nil, nil, event.ErrUnavailable
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
}
