package rabbit

import (
	"context"
	"errors"
	"fmt"
	"slices"

	amqp "github.com/rabbitmq/amqp091-go"

	"parley.internal/pkg/event"
)

// Part is the state of a configured exchange or queue on the broker.
type Part struct {
	Name      string // "exchange …" or "queue …"
	State     PartState
	Detail    string // the difference
	Messages  int    // ready messages of a queue
	Consumers int    // of a queue
}

// PartState compares a part with its configuration.
type PartState string

// The states of a part.
const (
	AsConfigured PartState = "ok"
	Missing      PartState = "missing"
	Different    PartState = "different"
)

// Inspect compares the exchanges, the queues of the subscriptions and Config.Queues with the
// broker, and changes nothing there. Bindings are not compared: AMQP offers no way to list them.
func Inspect(ctx context.Context, cfg Config, subscriptions ...event.Subscription) (parts []Part, err error) {
	c, err := cfg.newClient()
	if err != nil {
		return nil, err
	}
	wanted := []part{c.topology.mainExchange(), c.topology.listenersExchange()}
	for _, s := range subscriptions {
		for _, eventType := range s.Types {
			wanted = append(wanted, c.topology.queue(queueName{s.Name, eventType}))
		}
	}
	for _, q := range c.topology.queues {
		wanted = append(wanted, c.topology.queue(q))
	}
	err = c.connectOnce(ctx, "inspecting", func(_ context.Context, s *session) error {
		for i, w := range wanted {
			if slices.Contains(wanted[:i], w) {
				continue
			}
			p, err := inspect(s, w)
			if err != nil {
				return fmt.Errorf("inspect %s: %w", w, err)
			}
			parts = append(parts, p)
		}
		return nil
	})
	return parts, err
}

// inspect looks for a part with a passive declaration, which only proves existence. Then it
// declares the existing part: that changes nothing, and fails if the arguments differ.
func inspect(s *session, wanted part) (Part, error) {
	q, err := s.declare(wanted, true)
	if err == nil {
		_, err = s.declare(wanted, false)
	}
	p := Part{Name: wanted.String(), State: AsConfigured, Messages: q.Messages, Consumers: q.Consumers}
	reply, replied := errors.AsType[*amqp.Error](err)
	switch {
	case replied && reply.Code == amqp.NotFound:
		p.State = Missing
	case replied && reply.Code == amqp.PreconditionFailed:
		p.State, p.Detail = Different, reply.Reason
	case err != nil:
		return p, err
	}
	return p, nil
}
