package rabbit

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"parley.internal/pkg/event"
	"parley.internal/pkg/retry"
)

const (
	minReceiveRetry = 100 * time.Millisecond
	maxReceiveRetry = 5 * time.Second
)

// Consumer consumes the queues of subscriptions. It is safe for concurrent use.
type Consumer struct {
	*client

	mu     sync.Mutex
	queues map[string][]*queueConsumer // of connected subscriptions, by name
}

// NewConsumer validates the configuration, without connecting.
func NewConsumer(cfg Config) (*Consumer, error) {
	c, err := cfg.newClient()
	if err != nil {
		return nil, err
	}
	return &Consumer{client: c, queues: make(map[string][]*queueConsumer)}, nil
}

// Subscribe implements event.Subscriber. A subscription has one connection, with one channel for
// each queue. Batches mix the queues and are received one at a time. The names of a consumer's
// subscriptions differ. Run reconnects after every error, and returns nil when its context ends.
func (c *Consumer) Subscribe(s event.Subscription) (run func(context.Context) error) {
	return func(ctx context.Context) error {
		return c.keepConnected(ctx, s.Name, func(ctx context.Context, conn *session) error {
			return c.consume(ctx, conn, s)
		})
	}
}

// consume delivers the queues of a subscription until the connection fails or ctx ends.
func (c *Consumer) consume(ctx context.Context, conn *session, s event.Subscription) error {
	var queues []*queueConsumer
	for _, eventType := range s.Types {
		q, err := c.openQueue(conn, queueName{s.Name, eventType})
		if err != nil {
			return err
		}
		queues = append(queues, q)
	}
	// A deleted queue fails alone: running ends with the first queue, the connection or ctx.
	running, fail := context.WithCancelCause(ctx)
	buffer := newDeliveryBuffer()
	var goroutines sync.WaitGroup
	defer func() {
		fail(nil)
		conn.closeAfter(closeTimeout)
		goroutines.Wait()
	}()
	c.track(s.Name, queues)
	defer c.track(s.Name, nil)
	if s.CaughtUp != nil {
		ch, err := conn.openChannel()
		if err != nil {
			return err
		}
		watcher := progressWatcher{subscription: s, queues: queues, channel: ch, limiter: &conn.limiter}
		goroutines.Go(func() { watcher.run(running, fail) })
	}
	for _, q := range queues {
		goroutines.Go(func() { q.forward(running, fail, buffer) })
	}
	c.established(ctx, s.Name, conn)
	return c.receiveAll(running, s, buffer)
}

func (c *Consumer) openQueue(conn *session, name queueName) (*queueConsumer, error) {
	ch, err := conn.openChannel()
	if err != nil {
		return nil, err
	}
	if err := c.topology.declareQueue(ch, name); err != nil {
		return nil, err
	}
	q := &queueConsumer{name: name, ch: ch, limiter: &conn.limiter, prefetch: prefetch{max: c.prefetch}}
	return q, q.start(min(initialPrefetch, c.prefetch)) // low, because the size of the messages is unknown
}

// receiveAll receives the buffered deliveries batch by batch until running ends. Deliveries left in
// the buffer are requeued when the connection closes.
func (c *Consumer) receiveAll(running context.Context, s event.Subscription, buffer *deliveryBuffer) error {
	for {
		select {
		case <-running.Done():
			return context.Cause(running)
		case <-buffer.added:
		}
		for batch := buffer.next(); len(batch) > 0 && running.Err() == nil; batch = buffer.next() {
			if err := c.receive(running, s, batch); err != nil {
				return err
			}
		}
	}
}

// receive passes a batch to the subscription until Receive succeeds, and acknowledges it. After an
// error the batch stays unacked: RabbitMQ would deliver a requeued message again at once.
func (c *Consumer) receive(running context.Context, s event.Subscription, batch []delivery) error {
	messages := sortPartitions(batch)
	defer c.report(s.Name, problemReceive, "")
	for attempt := int64(1); ; attempt++ {
		err := s.Receive(running, messages)
		if err == nil {
			return acknowledge(batch)
		}
		if running.Err() != nil {
			return context.Cause(running)
		}
		c.report(s.Name, problemReceive, err.Error())
		delay := retry.Jitter(retry.Exponential(minReceiveRetry, maxReceiveRetry, attempt))
		c.log.WarnContext(running, "events not received", "service", s.Name, "events", len(batch), "error", err, "retry", delay)
		retry.Wait(running, delay)
	}
}

// partition identifies a sequence: different services may use the same partition key.
type partition struct{ source, key string }

// sortPartitions returns the messages of a batch with each partition in its sequence: a batch mixes
// queues, so a successor may precede its predecessor. Positions of different partitions do not
// change.
func sortPartitions(batch []delivery) []event.Message {
	sorted := make([]event.Message, len(batch))
	partitions := make(map[partition][]int) // positions in the batch
	for i, d := range batch {
		if sorted[i] = d.Message; d.Ordered() {
			p := partition{d.Source, d.PartitionKey}
			partitions[p] = append(partitions[p], i)
		}
	}
	for _, positions := range partitions {
		bySequence := slices.Clone(positions)
		slices.SortStableFunc(bySequence, func(a, b int) int { return cmp.Compare(batch[a].Sequence, batch[b].Sequence) })
		for n, i := range bySequence {
			sorted[positions[n]] = batch[i].Message
		}
	}
	return sorted
}

// acknowledge acknowledges a batch: in each queue up to the newest delivery, because older
// deliveries belong to this batch or to an earlier batch.
func acknowledge(batch []delivery) error {
	newest := make(map[*queueConsumer]uint64)
	for _, d := range batch {
		newest[d.queue] = d.tag
		d.queue.countHandled(int64(len(d.Data)))
	}
	for q, tag := range newest {
		if err := q.ack(tag); err != nil {
			return err
		}
	}
	return nil
}

// Unacked counts the deliveries of a queue received and not acknowledged by this process. AMQP
// offers no way to ask the broker for the number.
type Unacked struct {
	Queue    string
	Messages int64
	Bytes    int64 // of the bodies
}

// Unacked returns the unacked messages of each consumed queue, sorted by name. Queues without a
// connection are left out.
func (c *Consumer) Unacked() (all []Unacked) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, queues := range c.queues {
		for _, q := range queues {
			all = append(all, q.unacked())
		}
	}
	slices.SortFunc(all, func(a, b Unacked) int { return cmp.Compare(a.Queue, b.Queue) })
	return all
}

// track sets the queues of a subscription in Unacked; nil without a connection.
func (c *Consumer) track(subscription string, queues []*queueConsumer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.queues[subscription] = queues
}
