package rabbit

import (
	"context"

	"parley.internal/pkg/event"
)

// Tap delivers every published event of some types from an exclusive queue until ctx ends. It calls
// begun once the queue receives events.
//
// While a tap runs, an event without any other queue counts as routable, and is lost together with
// the exclusive queue: tap only types with a durable queue.
func Tap(ctx context.Context, cfg Config, types []string, begun func(), deliver func(event.Message)) error {
	c, err := cfg.newClient()
	if err != nil {
		return err
	}
	err = c.connectOnce(ctx, "tapping", func(ctx context.Context, s *session) error {
		var bindings []binding
		for _, eventType := range types {
			bindings = append(bindings, c.topology.typeBindings(eventType)...)
		}
		deliveries, err := consumeExclusive(s, bindings...)
		if err != nil {
			return err
		}
		s.closeAfter(0)
		begun()
		return forward(ctx, deliveries, types, deliver)
	})
	if ctx.Err() != nil {
		return nil //nolint:nilerr // Tap was stopped.
	}
	return err
}
