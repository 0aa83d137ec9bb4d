package rabbit

import (
	"context"
	"fmt"
	"strings"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"

	"parley.internal/pkg/event"
)

// Listener delivers hints about events: at most once, and only while connected. It is safe for
// concurrent use.
type Listener struct {
	client *client
}

// NewListener validates the configuration, without connecting.
func NewListener(cfg Config) (*Listener, error) {
	c, err := cfg.newClient()
	if err != nil {
		return nil, err
	}
	return &Listener{client: c}, nil
}

// Connections returns the state of the connections, one for each running listener.
func (l *Listener) Connections() []Connection { return l.client.status.list() }

// Degraded describes the present problems, one sentence each.
func (l *Listener) Degraded() []string { return l.client.status.degraded() }

// Listen implements event.Listener. A listener has a connection of its own, and on each connection
// an exclusive queue. Its events are those copied by publishers (CopyToListeners), and events of
// other services with a lower-case type.
func (l *Listener) Listen(
	types []string, deliver func(event.Message), missed func(),
) (run func(context.Context) error) {
	name := "listening to " + strings.Join(types, ", ")
	return func(ctx context.Context) error {
		queue := event.NewListenerQueue(deliver, missed)
		ctx, stop := context.WithCancel(ctx)
		var calls sync.WaitGroup
		defer calls.Wait()
		defer stop()
		calls.Go(func() { queue.Run(ctx) })
		return l.client.keepConnected(ctx, name, func(ctx context.Context, conn *session) error {
			topology := &l.client.topology
			if err := conn.onChannel(topology.declareExchanges); err != nil {
				return err
			}
			deliveries, err := consumeExclusive(conn, topology.listenerBindings(types)...)
			if err != nil {
				return err
			}
			queue.Lost() // Events published before the declaration are lost.
			l.client.established(ctx, name, conn)
			// Hear never waits for the callback: the library buffers deliveries without a bound.
			return forward(ctx, deliveries, types, queue.Deliver)
		})
	}
}

// forward decodes deliveries until ctx ends. The routing key, in any case, determines the type.
func forward(ctx context.Context, deliveries <-chan amqp.Delivery, types []string, deliver func(event.Message)) error {
	byKey := make(map[string]string, len(types))
	for _, eventType := range types {
		byKey[strings.ToLower(eventType)] = eventType
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case d, open := <-deliveries:
			if !open {
				return fmt.Errorf("exclusive queue ended: %w", amqp.ErrClosed)
			}
			deliver(decode(d, byKey[strings.ToLower(d.RoutingKey)]))
		}
	}
}
