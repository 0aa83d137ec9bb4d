package event

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Direct is the transport inside a single process: Publish calls the Receive of each
// subscription and returns when all have committed. Direct stores nothing: a message
// that a subscription cannot receive now is ErrUnavailable and stays in its outbox. The
// zero Direct is ready and safe for concurrent use.
type Direct struct {
	mu        sync.Mutex
	bindings  []*binding
	listeners map[*ListenerQueue][]string // with their event types
}

// binding outlives the runs of its subscription, like a durable queue.
type binding struct {
	name     string
	types    []string
	consumer *consumer     // nil while the subscription is not running
	started  chan struct{} // closed when the subscription runs
}

type consumer struct {
	receive func(context.Context, []Message) error
	stopped context.Context //nolint:containedctx // The context of run also ends calls from the context of Publish.
	calls   sync.WaitGroup  // running calls of receive
	begun   []time.Time     // when these calls began, the oldest first
}

const (
	receiveLimit     = 512                    // messages per call of Receive
	failurePause     = 250 * time.Millisecond // Publish waits after a failed Receive
	startTimeout     = 3 * time.Second        // Publish waits for a subscription to run
	caughtUpInterval = 500 * time.Millisecond // between calls of Subscription.CaughtUp
)

var (
	errNoConsumer = fmt.Errorf("%w: the consumer is not running", ErrUnavailable)
	errSkipped    = fmt.Errorf("%w: earlier messages were not received", ErrUnavailable)
)

// Subscribe implements Subscriber and declares the subscription at once. A subscription
// has a single run at a time.
func (d *Direct) Subscribe(s Subscription) (run func(context.Context) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := slices.IndexFunc(d.bindings, func(b *binding) bool { return b.name == s.Name })
	if i < 0 {
		i = len(d.bindings)
		d.bindings = append(d.bindings, &binding{name: s.Name, started: make(chan struct{})})
	}
	b := d.bindings[i]
	b.types = s.Types
	return func(ctx context.Context) error { return d.run(ctx, b, s) }
}

func (d *Direct) run(ctx context.Context, b *binding, s Subscription) error {
	c := &consumer{receive: s.Receive, stopped: ctx}
	d.mu.Lock()
	taken := b.consumer != nil
	if !taken {
		b.consumer = c
		close(b.started)
	}
	d.mu.Unlock()
	if taken {
		return fmt.Errorf("subscribe %s: it is running already", s.Name)
	}
	d.reportProgress(ctx, c, s)
	d.mu.Lock()
	b.consumer = nil
	b.started = make(chan struct{})
	d.mu.Unlock()
	c.calls.Wait()
	return nil
}

// reportProgress calls CaughtUp until ctx ends. Messages wait nowhere but in calls of
// Publish.
func (d *Direct) reportProgress(ctx context.Context, c *consumer, s Subscription) {
	tick := time.NewTicker(caughtUpInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		until := time.Now()
		d.mu.Lock()
		if len(c.begun) > 0 {
			until = c.begun[0]
		}
		d.mu.Unlock()
		for _, eventType := range s.Types {
			if s.CaughtUp != nil {
				s.CaughtUp(eventType, until)
			}
		}
	}
}

// Publish implements Publisher. It delivers a limited number of messages at a time: the
// handlers of all messages may take longer than ctx lasts.
func (d *Direct) Publish(ctx context.Context, batch []Message) []error {
	results := slices.Repeat([]error{ErrUnroutable}, len(batch))
	var failed error
	for from := 0; from < len(batch); from += receiveLimit {
		if failed != nil { // Later messages must not overtake.
			copy(results[from:], slices.Repeat([]error{errSkipped}, len(batch)-from))
			break
		}
		to := min(from+receiveLimit, len(batch))
		messages, answers := batch[from:to], results[from:to]
		for _, share := range d.shares(messages) {
			err := d.deliver(ctx, share)
			failed = errors.Join(failed, err)
			for _, i := range share.at {
				if errors.Is(answers[i], ErrUnroutable) {
					answers[i] = nil
				}
				answers[i] = errors.Join(answers[i], err)
			}
		}
		d.copyToListeners(messages, answers)
	}
	return results
}

// Listen implements Listener. Listeners receive an event after its subscriptions.
func (d *Direct) Listen(types []string, deliver func(Message), lost func()) (run func(context.Context) error) {
	return func(ctx context.Context) error {
		queue := NewListenerQueue(deliver, lost)
		queue.Lost()
		d.mu.Lock()
		if d.listeners == nil {
			d.listeners = make(map[*ListenerQueue][]string)
		}
		d.listeners[queue] = types
		d.mu.Unlock()
		queue.Run(ctx)
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.listeners, queue)
		return nil
	}
}

// copyToListeners delivers messages to listeners, except failed messages: listeners receive
// these when they are published again.
func (d *Direct) copyToListeners(messages []Message, results []error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for queue, types := range d.listeners {
		for i, m := range messages {
			if slices.Contains(types, m.Type) && !errors.Is(results[i], ErrUnavailable) {
				queue.Deliver(m)
			}
		}
	}
}

// share holds the messages of a batch for a binding.
type share struct {
	binding  *binding
	messages []Message
	at       []int // the indexes of the messages in the batch
}

func (d *Direct) shares(batch []Message) []share {
	d.mu.Lock()
	defer d.mu.Unlock()
	var shares []share
	for _, b := range d.bindings {
		s := share{binding: b}
		for i, m := range batch {
			if slices.Contains(b.types, m.Type) {
				s.messages, s.at = append(s.messages, m), append(s.at, i)
			}
		}
		if len(s.at) > 0 {
			shares = append(shares, s)
		}
	}
	return shares
}

func (d *Direct) deliver(ctx context.Context, s share) error {
	c, begun := d.awaitConsumer(ctx, s.binding)
	if c == nil {
		return fmt.Errorf("deliver to %s: %w", s.binding.name, errNoConsumer)
	}
	defer d.done(c, begun)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.stopped, cancel)()
	if err := c.receive(ctx, s.messages); err != nil {
		select { // The caller publishes again at once.
		case <-ctx.Done():
		case <-time.After(failurePause):
		}
		return fmt.Errorf("%w: deliver to %s: %w", ErrUnavailable, s.binding.name, err)
	}
	return nil
}

func (d *Direct) done(c *consumer, begun time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := slices.Index(c.begun, begun) // Of two equal times either will do.
	c.begun = slices.Delete(c.begun, i, i+1)
	c.calls.Done()
}

// awaitConsumer returns the running consumer of a binding and registers a call that
// begins now. It waits a while for a run.
func (d *Direct) awaitConsumer(ctx context.Context, b *binding) (c *consumer, begun time.Time) {
	timeout := time.NewTimer(startTimeout)
	defer timeout.Stop()
	for {
		d.mu.Lock()
		c, started := b.consumer, b.started
		if c != nil {
			begun = time.Now()
			c.begun = append(c.begun, begun)
			c.calls.Add(1)
		}
		d.mu.Unlock()
		if c != nil {
			return c, begun
		}
		select {
		case <-started:
		case <-timeout.C:
			return nil, begun
		case <-ctx.Done():
			return nil, begun
		}
	}
}
