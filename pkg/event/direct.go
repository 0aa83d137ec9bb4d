package event

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Direct is the transport inside one process: Publish calls the Receive of each
// subscription, and answers when they have committed. It keeps nothing itself:
// a message that a subscription cannot take now is refused, and stays where its
// publisher keeps it, in the outbox. The zero Direct is ready and safe for
// concurrent use.
type Direct struct {
	mu       sync.Mutex
	bindings []*binding
	ears     map[*Ear][]string // with the types that they hear
}

// binding outlives who runs it, as a durable queue would.
type binding struct {
	name     string
	types    []string
	consumer *consumer     // nil while nobody runs it
	started  chan struct{} // closed when somebody runs it
}

type consumer struct {
	receive func(context.Context, []Message) error
	stopped context.Context //nolint:containedctx // That of run: it ends what Publish calls in another context.
	inHand  sync.WaitGroup  // the calls of receive under way
	begun   []time.Time     // when these were begun, the oldest first
}

const (
	handedOver    = 512                    // messages, at most, in one call of Receive
	failedRest    = 250 * time.Millisecond // Publish waits so long when they were not received
	startTimeout  = 3 * time.Second        // Publish waits so long for somebody to run a subscription
	caughtUpEvery = 500 * time.Millisecond // Subscription.CaughtUp is told
)

var (
	errNoConsumer = fmt.Errorf("%w: its consumer is not running", ErrUnavailable)
	errBehind     = fmt.Errorf("%w: those before it were not taken", ErrUnavailable)
)

// Subscribe implements Subscriber: it declares the subscription at once. A name
// is run by one at a time.
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
	d.tell(ctx, c, s)
	d.mu.Lock()
	b.consumer = nil
	b.started = make(chan struct{})
	d.mu.Unlock()
	c.inHand.Wait()
	return nil
}

// tell tells a subscription how far it has caught up until ctx ends. Nothing
// waits but in the calls of Publish.
func (d *Direct) tell(ctx context.Context, c *consumer, s Subscription) {
	tick := time.NewTicker(caughtUpEvery)
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

// Publish implements Publisher. It hands over some messages at a time: the
// handlers of all may take longer than ctx lasts.
func (d *Direct) Publish(ctx context.Context, batch []Message) []error {
	results := make([]error, 0, len(batch))
	for some := range slices.Chunk(batch, handedOver) {
		if errors.Is(errors.Join(results...), ErrUnavailable) { // Nothing is to overtake them.
			results = append(results, slices.Repeat([]error{errBehind}, len(some))...)
			continue
		}
		results = append(results, d.publish(ctx, some)...)
	}
	return results
}

func (d *Direct) publish(ctx context.Context, batch []Message) []error {
	results := make([]error, len(batch))
	for i := range results {
		results[i] = ErrUnroutable
	}
	for _, share := range d.shares(batch) {
		err := d.deliver(ctx, share)
		for _, i := range share.at {
			if errors.Is(results[i], ErrUnroutable) {
				results[i] = nil
			}
			results[i] = errors.Join(results[i], err)
		}
	}
	for i, m := range batch {
		// What was refused is published again, and heard then.
		if results[i] == nil || errors.Is(results[i], ErrUnroutable) {
			d.say(m)
		}
	}
	return results
}

// Listen implements Listener. An event is heard after its subscriptions have
// taken it.
func (d *Direct) Listen(types []string, heard func(Message), missed func()) (run func(context.Context) error) {
	return func(ctx context.Context) error {
		ear := NewEar(heard, missed)
		ear.Miss()
		d.mu.Lock()
		if d.ears == nil {
			d.ears = make(map[*Ear][]string)
		}
		d.ears[ear] = types
		d.mu.Unlock()
		ear.Run(ctx)
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.ears, ear)
		return nil
	}
}

func (d *Direct) say(m Message) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for ear, types := range d.ears {
		if slices.Contains(types, m.Type) {
			ear.Hear(m)
		}
	}
}

// share is what of a batch a binding wants.
type share struct {
	binding  *binding
	messages []Message
	at       []int // their places in the batch
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
	c, begun := d.consumer(ctx, s.binding)
	if c == nil {
		return fmt.Errorf("deliver to %s: %w", s.binding.name, errNoConsumer)
	}
	defer d.done(c, begun)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.stopped, cancel)()
	if err := c.receive(ctx, s.messages); err != nil {
		select { // Whoever publishes it again does so at once.
		case <-ctx.Done():
		case <-time.After(failedRest):
		}
		return fmt.Errorf("%w: deliver to %s: %w", ErrUnavailable, s.binding.name, err)
	}
	return nil
}

func (d *Direct) done(c *consumer, begun time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	i := slices.Index(c.begun, begun) // Of two at the same moment any will do.
	c.begun = slices.Delete(c.begun, i, i+1)
	c.inHand.Done()
}

// consumer is who runs a binding, taken in hand at a moment; it waits a while
// for one.
func (d *Direct) consumer(ctx context.Context, b *binding) (c *consumer, begun time.Time) {
	timeout := time.NewTimer(startTimeout)
	defer timeout.Stop()
	for {
		d.mu.Lock()
		c, started := b.consumer, b.started
		if c != nil {
			begun = time.Now()
			c.begun = append(c.begun, begun)
			c.inHand.Add(1)
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
