package rabbit

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"parley.internal/pkg/event"
)

const (
	minReceiveRetry = 100 * time.Millisecond
	maxReceiveRetry = 5 * time.Second
)

// Consumer consumes the queues of subscriptions. It is safe for concurrent use.
type Consumer struct {
	client *client

	mu     sync.Mutex
	queues map[*queueConsumer]bool // of established connections
}

// NewConsumer validates the configuration, without connecting.
func NewConsumer(cfg Config) (*Consumer, error) {
	c, err := cfg.newClient()
	if err != nil {
		return nil, err
	}
	return &Consumer{client: c, queues: make(map[*queueConsumer]bool)}, nil
}

// Connections returns the state of the connections, one for each running subscription.
func (c *Consumer) Connections() []Connection { return c.client.status.list() }

// Degraded describes the present problems, one sentence each.
func (c *Consumer) Degraded() []string { return c.client.status.degraded() }

// Subscribe implements event.Subscriber. A subscription has one connection, with one channel for
// each queue. Batches mix the queues and are received one at a time. Run reconnects after every
// error, and returns nil when its context ends.
func (c *Consumer) Subscribe(s event.Subscription) (run func(context.Context) error) {
	return func(ctx context.Context) error {
		return c.client.keepConnected(ctx, s.Name, func(ctx context.Context, conn *session) error {
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
	c.track(queues, true)
	defer c.track(queues, false)
	if s.CaughtUp != nil {
		ch, err := conn.openChannel()
		if err != nil {
			return err
		}
		watcher := progressWatcher{subscription: s, queues: queues, channel: ch, limiter: &conn.socket.limiter}
		goroutines.Go(func() { watcher.run(running, fail) })
	}
	for _, q := range queues {
		goroutines.Go(func() { q.forward(running, fail, buffer) })
	}
	c.client.established(ctx, s.Name, conn)
	return c.receiveAll(running, s, buffer)
}

func (c *Consumer) openQueue(conn *session, name queueName) (*queueConsumer, error) {
	ch, err := conn.openChannel()
	if err != nil {
		return nil, err
	}
	if err := c.client.topology.declareQueue(ch, name); err != nil {
		return nil, err
	}
	return newQueueConsumer(ch, name, &conn.socket.limiter, c.client.prefetch)
}

// receiveAll receives the buffered deliveries batch by batch until running ends. Deliveries left in
// the buffer are requeued when the connection closes.
func (c *Consumer) receiveAll(running context.Context, s event.Subscription, buffer *deliveryBuffer) error {
	for {
		batch := buffer.next()
		if running.Err() != nil {
			return context.Cause(running)
		}
		if batch != nil {
			if err := c.receive(running, s, batch); err != nil {
				return err
			}
			continue
		}
		select {
		case <-running.Done():
		case <-buffer.added:
		}
	}
}

// receive passes a batch to the subscription until Receive succeeds, and acknowledges it. After an
// error the batch stays unacked: RabbitMQ would deliver a requeued message again at once.
func (c *Consumer) receive(running context.Context, s event.Subscription, batch []delivery) error {
	messages := sortPartitions(batch)
	setError := func(reason string) {
		c.client.status.update(s.Name, func(state *connectionState) { state.receiveError = reason })
	}
	defer setError("")
	for retry := minReceiveRetry; ; retry = min(2*retry, maxReceiveRetry) {
		err := s.Receive(running, messages)
		if err == nil {
			return acknowledge(batch)
		}
		if running.Err() != nil {
			return context.Cause(running)
		}
		setError(err.Error())
		c.client.log.WarnContext(running, "events not received", "service", s.Name, "events", len(batch), "error", err, "retry", retry)
		pause(running, jitter(retry))
	}
}

// partition identifies a sequence: different services may use the same partition key.
type partition struct{ source, key string }

// sortPartitions returns the messages of a batch with each partition in its sequence: a batch mixes
// queues, so a successor may precede its predecessor. Positions of different partitions do not
// change.
func sortPartitions(batch []delivery) []event.Message {
	partitions := make(map[partition][]event.Message)
	for _, d := range batch {
		if d.Ordered() {
			p := partition{d.Source, d.PartitionKey}
			partitions[p] = append(partitions[p], d.Message)
		}
	}
	for _, messages := range partitions {
		slices.SortStableFunc(messages, func(a, b event.Message) int { return cmp.Compare(a.Sequence, b.Sequence) })
	}
	sorted := make([]event.Message, len(batch))
	for i, d := range batch {
		p := partition{d.Source, d.PartitionKey}
		if sorted[i] = d.Message; d.Ordered() {
			sorted[i], partitions[p] = partitions[p][0], partitions[p][1:]
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
		if err := q.acks.ack(tag); err != nil {
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
	byQueue := make(map[string]Unacked)
	for q := range c.queues {
		sum, u := byQueue[q.name.String()], q.unacked()
		byQueue[u.Queue] = Unacked{u.Queue, sum.Messages + u.Messages, sum.Bytes + u.Bytes}
	}
	for _, sum := range byQueue {
		all = append(all, sum)
	}
	slices.SortFunc(all, func(a, b Unacked) int { return cmp.Compare(a.Queue, b.Queue) })
	return all
}

// track includes queues in Unacked, or excludes them.
func (c *Consumer) track(queues []*queueConsumer, include bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, q := range queues {
		if delete(c.queues, q); include {
			c.queues[q] = true
		}
	}
}
