package rabbit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"parley.internal/pkg/event"
	"parley.internal/pkg/retry"
)

const (
	publishing     = "publishing"           // the name of the publisher's connection
	connectTimeout = 3 * time.Second        // Publish waits for a connection
	nackRetry      = 100 * time.Millisecond // before another confirm channel is opened
)

// Publisher publishes events with confirms. Publish works while Run runs. A Publisher is safe for
// concurrent use.
type Publisher struct {
	*client

	turn    chan struct{} // holds a token while a batch is published
	channel channelSlot
	losses  lossCounter // guarded by turn

	mismatch string // of the queues of other services; belongs to Run

	mu     sync.Mutex
	copied map[string]bool // event types with copies for listeners; allTypes for any
}

// allTypes stands for each event type.
const allTypes = "*"

// NewPublisher validates the configuration, without connecting.
func NewPublisher(cfg Config) (*Publisher, error) {
	c, err := cfg.newClient()
	if err != nil {
		return nil, err
	}
	return &Publisher{
		client: c, turn: make(chan struct{}, 1), copied: make(map[string]bool),
		channel: channelSlot{changed: make(chan struct{})},
	}, nil
}

// CopyToListeners makes Publish send a copy of the events of these types to the listeners'
// exchange; without types, of all events. A copy of every event would cost a third of the
// throughput.
func (p *Publisher) CopyToListeners(types ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(types) == 0 {
		types = []string{allTypes}
	}
	for _, eventType := range types {
		p.copied[eventType] = true
	}
}

func (p *Publisher) copies(eventType string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.copied[allTypes] || p.copied[eventType]
}

// Publish implements event.Publisher: it sends the batch in a window of unconfirmed messages. A
// confirmed and not returned message has the result nil. If the broker closes the channel or the
// connection over a message, the messages lost with it are published again one by one, to find the
// rejected message.
func (p *Publisher) Publish(ctx context.Context, messages []event.Message) []error {
	results := make([]error, 0, len(messages))
	for len(results) < len(messages) {
		rest := messages[len(results):]
		done := p.publish(ctx, rest)
		p.isolateRejected(ctx, rest[:len(done)], done)
		results = append(results, done...)
	}
	return results
}

// publish publishes the messages up to the first failure and the messages in flight with it: at
// least one.
func (p *Publisher) publish(ctx context.Context, messages []event.Message) []error {
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return slices.Repeat([]error{ctx.Err()}, len(messages))
	}
	ch, err := p.channel.wait(ctx)
	if err != nil {
		return slices.Repeat([]error{err}, len(messages))
	}
	b := batch{
		publisher: p, channel: ch, messages: messages, results: make([]error, len(messages)),
		confirms: make([]*amqp.DeferredConfirmation, len(messages)), returned: make(map[string]string),
	}
	results := b.publish(ctx)
	p.losses.suspect(ctx, ch, messages, results)
	return results
}

// Run keeps the publishing connection until ctx ends, and reconnects for as long as the broker is
// unavailable or its topology differs. Afterwards Publish fails at once.
func (p *Publisher) Run(ctx context.Context) error {
	defer p.channel.set(ended)
	return p.keepConnected(ctx, publishing, p.serve)
}

// serve declares the topology and opens confirm channels, one after the other, for Publish.
func (p *Publisher) serve(ctx context.Context, s *session) error {
	blocked := s.conn.NotifyBlocked(make(chan amqp.Blocking, 16))
	if err := s.onChannel(p.topology.declareExchanges); err != nil {
		return err
	}
	if err := p.declareQueues(ctx, s); err != nil {
		return err
	}
	ch, err := openConfirmChannel(s)
	if err != nil {
		return err
	}
	p.established(ctx, publishing, s)
	for {
		if err = p.offer(ctx, s, ch, blocked); err == nil || ctx.Err() != nil {
			return err
		}
		if ch, err = reopen(ctx, s, ch, err); err != nil {
			return err
		}
	}
}

// reopen opens another confirm channel on the same connection if only the channel failed.
func reopen(ctx context.Context, s *session, failed *confirmChannel, cause error) (*confirmChannel, error) {
	isNacked := errors.Is(cause, errNacked)
	if !isNacked && !closesChannelOnly(cause) {
		return nil, cause
	}
	s.closeAfter(setupTimeout)
	defer s.closeAfter(0)
	if isNacked {
		retry.Wait(ctx, nackRetry)
		_ = failed.ch.Close() // A failure of the connection prevents the other channel, too.
	}
	return openConfirmChannel(s)
}

// declareQueues declares the queues of other services, and records the mismatches for Degraded.
func (p *Publisher) declareQueues(ctx context.Context, s *session) error {
	problem, err := p.topology.declareQueues(ctx, s)
	if err == nil {
		p.mismatch = problem
		p.report(publishing, problemTopology, problem)
	}
	return err
}

// offer lets Publish use the channel until it fails, except while the broker blocks the connection:
// writes would only fill the socket buffer. The error errNacked asks for another channel on the
// same connection.
func (p *Publisher) offer(ctx context.Context, s *session, ch *confirmChannel, blocked <-chan amqp.Blocking) error {
	offered := p.channel.offer(ch)
	defer p.channel.set(nil)
	redeclare := time.NewTicker(topologyRetry)
	defer redeclare.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case e := <-ch.closed:
			return cmp.Or(e, amqp.ErrClosed)
		case err := <-ch.failed:
			switch {
			case ch.ch.IsClosed(): // closed has the reason.
			case offered == nil: // RabbitMQ opens no channel on a blocked connection.
				return fmt.Errorf("%w: %v", errLost, err) //nolint:errorlint // errNacked must not match.
			default:
				return err
			}
		case <-redeclare.C:
			if offered == nil || p.mismatch == "" {
				continue
			}
			s.closeAfter(setupTimeout)
			if err := p.declareQueues(ctx, s); err != nil {
				return err
			}
			s.closeAfter(0)
		case b, open := <-blocked:
			switch {
			case !open:
				blocked = nil // closed has the reason.
			case b.Active && offered != nil:
				p.report(publishing, problemBlocked, cmp.Or(b.Reason, "unknown reason"))
				close(offered.blocked)
				offered = nil
				p.channel.set(nil)
			case !b.Active && offered == nil:
				p.report(publishing, problemBlocked, "")
				offered = p.channel.offer(ch)
			}
		}
	}
}
