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
type Listener struct{ *client }

// NewListener validates the configuration, without connecting.
func NewListener(cfg Config) (*Listener, error) {
	c, err := cfg.newClient()
	if err != nil {
		return nil, err
	}
	return &Listener{c}, nil
}

// Listen implements event.Listener. A listener has a connection of its own, and on each connection
// an exclusive queue. Its events are those copied by publishers (CopyToListeners), and events of
// other services with a lower-case type.
func (l *Listener) Listen(
	types []string, deliver func(event.Message), lost func(),
) (run func(context.Context) error) {
	name := "listening to " + strings.Join(types, ", ")
	return func(ctx context.Context) error {
		queue := event.NewListenerQueue(deliver, lost)
		var calls sync.WaitGroup
		defer calls.Wait()
		calls.Go(func() { queue.Run(ctx) })
		return l.keepConnected(ctx, name, func(ctx context.Context, conn *session) error {
			if err := conn.onChannel(l.topology.declareExchanges); err != nil {
				return err
			}
			deliveries, err := consumeExclusive(conn, l.topology.listenerBindings(types)...)
			if err != nil {
				return err
			}
			queue.Lost() // Events published before the declaration are lost.
			l.established(ctx, name, conn)
			// Deliver never waits for the callback: the library buffers deliveries without a bound.
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
