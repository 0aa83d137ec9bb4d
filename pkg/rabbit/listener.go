package rabbit

import (
	"context"
	"fmt"
	"strings"
	"sync"

	amqp "github.com/rabbitmq/amqp091-go"

	"parley.internal/pkg/event"
)

// Listen implements event.Listener. A listener has a connection of its own, and
// on each new one a queue of its own, which is gone with it.
//
// It hears what is published by transports that Listen was called on for the
// same type, as it is in all nodes of a service, or TellListeners; and what
// others publish under the type in lower case.
func (t *Transport) Listen(
	types []string, heard func(event.Message), missed func(),
) (run func(context.Context) error) {
	t.hear(types)
	name := "listening to " + strings.Join(types, ", ")
	return func(ctx context.Context) error {
		ear := event.NewEar(heard, missed)
		ctx, stop := context.WithCancel(ctx)
		var calls sync.WaitGroup
		defer calls.Wait()
		defer stop()
		calls.Go(func() { ear.Run(ctx) })
		return t.keep(ctx, name, func(ctx context.Context, conn *session) error {
			deliveries, err := t.openEar(conn, types)
			if err != nil {
				return err
			}
			ear.Miss() // What was published before the queue was there.
			t.up(ctx, name, conn)
			return pass(ctx, ear, types, deliveries)
		})
	}
}

func (t *Transport) hear(types []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, eventType := range types {
		t.heard[eventType] = true
	}
}

// TellListeners has all that Publish publishes from now on heard by listeners,
// although nobody listens here. That is for who publishes little.
func (t *Transport) TellListeners() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tells = true
}

func (t *Transport) isHeard(eventType string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.tells || t.heard[eventType]
}

func (t *Transport) openEar(conn *session, types []string) (<-chan amqp.Delivery, error) {
	ch, err := conn.Channel()
	if err != nil {
		return nil, fmt.Errorf("open a channel: %w", err)
	}
	if err := t.declareExchange(ch); err != nil {
		return nil, err
	}
	if err := t.declareListeners(ch); err != nil {
		return nil, err
	}
	queue, err := t.declareEar(ch, types)
	if err != nil {
		return nil, err
	}
	deliveries, err := ch.Consume(queue, "", true, true, false, false, nil)
	if err != nil {
		return nil, fmt.Errorf("consume a listener's queue: %w", err)
	}
	return deliveries, nil
}

// pass never waits for the listener: the library would keep what comes, without
// a bound.
func pass(ctx context.Context, ear *event.Ear, types []string, deliveries <-chan amqp.Delivery) error {
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
				return fmt.Errorf("a listener's queue ended: %w", amqp.ErrClosed)
			}
			ear.Hear(received(d, byKey[strings.ToLower(d.RoutingKey)]))
		}
	}
}
