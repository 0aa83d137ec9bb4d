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
	err = c.connectOnce(ctx, "inspecting", func(_ context.Context, s *session) error {
		parts, err = inspect(s, c.topology.checks(subscriptions))
		return err
	})
	return parts, err
}

// check finds a part, and declares it in order to compare its arguments.
type check struct {
	name    string
	find    func(ch *amqp.Channel, p *Part) error
	declare func(ch *amqp.Channel) error
}

func (t *topology) checks(subscriptions []event.Subscription) []check {
	checks := []check{
		checkExchange(t.exchange, t.declareExchange),
		checkExchange(ListenersExchange(t.exchange), t.declareListenersExchange),
	}
	var queues []queueName
	for _, s := range subscriptions {
		for _, eventType := range s.Types {
			queues = append(queues, queueName{s.Name, eventType})
		}
	}
	queues = append(queues, t.queues...)
	for i, q := range queues {
		if !slices.Contains(queues[:i], q) {
			checks = append(checks, t.checkQueue(q.String()))
		}
	}
	return checks
}

func checkExchange(name string, declare func(*amqp.Channel) error) check {
	return check{name: "exchange " + name, declare: declare, find: func(ch *amqp.Channel, _ *Part) error {
		return ch.ExchangeDeclarePassive(name, amqp.ExchangeTopic, true, false, false, false, nil)
	}}
}

func (t *topology) checkQueue(name string) check {
	return check{
		name: "queue " + name,
		find: func(ch *amqp.Channel, p *Part) error {
			q, err := ch.QueueDeclarePassive(name, true, false, false, false, nil)
			p.Messages, p.Consumers = q.Messages, q.Consumers
			return err
		},
		declare: func(ch *amqp.Channel) error {
			_, err := ch.QueueDeclare(name, true, false, false, false, t.queueArguments())
			return err
		},
	}
}

// inspect looks for each part with a passive declaration, which only proves existence. Then it
// declares the existing part: that changes nothing, and fails if the arguments differ.
func inspect(s *session, checks []check) (parts []Part, err error) {
	for _, c := range checks {
		p := Part{Name: c.name, State: AsConfigured}
		err := s.onChannel(func(ch *amqp.Channel) error { return c.find(ch, &p) })
		if err == nil {
			err = s.onChannel(c.declare)
		}
		reply, replied := errors.AsType[*amqp.Error](err)
		switch {
		case replied && reply.Code == amqp.NotFound:
			p.State = Missing
		case replied && reply.Code == amqp.PreconditionFailed:
			p.State, p.Detail = Different, reply.Reason
		case err != nil:
			return nil, fmt.Errorf("inspect %s: %w", c.name, err)
		}
		parts = append(parts, p)
	}
	return parts, nil
}
