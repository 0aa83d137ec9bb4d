package rabbit

import (
	"context"
	"fmt"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"

	"parley.internal/pkg/event"
)

// Tap hears what is published of some types, whoever publishes it, in a queue
// of its own that ends with it. Begun is called when it hears; ctx ends it.
//
// While it listens, an event counts as wanted that nobody else has a queue for,
// and is lost with the queue: tap only types that somebody keeps.
func (t *Transport) Tap(ctx context.Context, types []string, begun func(), heard func(event.Message)) error {
	byKey := make(map[string]string, len(types))
	for _, eventType := range types {
		byKey[strings.ToLower(eventType)] = eventType
	}
	err := t.once(ctx, "tapping", func(ctx context.Context, s *session) error {
		ch, err := s.Channel()
		if err != nil {
			return fmt.Errorf("open a channel: %w", err)
		}
		deliveries, err := t.openTap(ch, types)
		if err != nil {
			return err
		}
		s.within(0)
		begun()
		for {
			select {
			case <-ctx.Done():
				return nil
			case d, open := <-deliveries:
				if !open {
					return fmt.Errorf("the tap ended: %w", amqp.ErrClosed)
				}
				heard(received(d, byKey[strings.ToLower(d.RoutingKey)]))
			}
		}
	})
	if ctx.Err() != nil {
		return nil //nolint:nilerr // It was told to end.
	}
	return err
}

// openTap takes deliveries without acknowledging them: the broker does not wait.
func (t *Transport) openTap(ch *amqp.Channel, types []string) (<-chan amqp.Delivery, error) {
	queue, err := ch.QueueDeclare("", false, true, true, false, nil)
	if err != nil {
		return nil, fmt.Errorf("declare a tap: %w", err)
	}
	for _, eventType := range types {
		for _, key := range []string{eventType, strings.ToLower(eventType)} {
			if err := ch.QueueBind(queue.Name, key, t.cfg.Exchange, false, nil); err != nil {
				return nil, fmt.Errorf("bind a tap to %s: %w", key, err)
			}
		}
	}
	deliveries, err := ch.Consume(queue.Name, "", true, true, false, false, nil)
	if err != nil {
		return nil, fmt.Errorf("consume a tap: %w", err)
	}
	return deliveries, nil
}
