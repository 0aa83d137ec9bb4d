package rabbit

import (
	"context"
	"errors"
	"fmt"

	amqp "github.com/rabbitmq/amqp091-go"

	"parley.internal/pkg/event"
)

// Part is an exchange or a queue that is wanted on the broker, and how it is
// there.
type Part struct {
	Name      string
	State     PartState
	Detail    string // what is different
	Messages  int    // that wait in a queue
	Consumers int    // of a queue
}

// PartState says how a part is.
type PartState string

// The states of a part.
const (
	AsWanted  PartState = "ok"
	Missing   PartState = "missing"
	Different PartState = "different"
)

// Inspect compares what these subscriptions, and Config.Queues, want with what
// is on the broker, and changes nothing there. Bindings are not compared: AMQP
// cannot be asked for them.
func (t *Transport) Inspect(ctx context.Context, subscriptions ...event.Subscription) (parts []Part, err error) {
	err = t.once(ctx, "inspecting", func(_ context.Context, s *session) error {
		parts = nil // Of another broker, whose connection was lost.
		return t.inspect(s, t.wanted(subscriptions), &parts)
	})
	return parts, err
}

// part is how to look for a Part, and how it would be declared.
type part struct {
	name    string
	look    func(ch *amqp.Channel, p *Part) error
	declare func(ch *amqp.Channel) error
}

func (t *Transport) wanted(subscriptions []event.Subscription) []part {
	exchange := func(name string, declare func(*amqp.Channel) error) part {
		return part{name: "exchange " + name, declare: declare, look: func(ch *amqp.Channel, _ *Part) error {
			return ch.ExchangeDeclarePassive(name, amqp.ExchangeTopic, true, false, false, false, nil)
		}}
	}
	all := []part{
		exchange(t.cfg.Exchange, t.declareExchange), exchange(Listeners(t.cfg.Exchange), t.declareListeners),
	}
	seen := make(map[binding]bool)
	for _, b := range append(bindings(subscriptions), t.queues...) {
		if !seen[b] {
			all = append(all, t.queuePart(Queue(b.service, b.eventType)))
		}
		seen[b] = true
	}
	return all
}

func bindings(subscriptions []event.Subscription) (all []binding) {
	for _, s := range subscriptions {
		for _, eventType := range s.Types {
			all = append(all, binding{s.Name, eventType})
		}
	}
	return all
}

func (t *Transport) queuePart(name string) part {
	return part{
		name: "queue " + name,
		look: func(ch *amqp.Channel, p *Part) error {
			q, err := ch.QueueDeclarePassive(name, true, false, false, false, nil)
			p.Messages, p.Consumers = q.Messages, q.Consumers
			return err //nolint:wrapcheck // inspect says what it was doing.
		},
		declare: func(ch *amqp.Channel) error {
			_, err := ch.QueueDeclare(name, true, false, false, false, t.queueArguments())
			return err //nolint:wrapcheck // As above.
		},
	}
}

// inspect looks whether each part is there; a passive declare says no more than
// that. Declaring what is there changes nothing, and says whether it is alike.
func (t *Transport) inspect(s *session, wanted []part, parts *[]Part) error {
	for _, w := range wanted {
		p := Part{Name: w.name, State: AsWanted}
		err := onChannel(s, func(ch *amqp.Channel) error { return w.look(ch, &p) })
		if err == nil {
			err = onChannel(s, w.declare)
		}
		refusal, refused := errors.AsType[*amqp.Error](err)
		switch {
		case refused && refusal.Code == amqp.NotFound:
			p.State = Missing
		case refused && refusal.Code == amqp.PreconditionFailed:
			p.State, p.Detail = Different, refusal.Reason
		case err != nil:
			return fmt.Errorf("look at %s: %w", w.name, err)
		}
		*parts = append(*parts, p)
	}
	return nil
}

// onChannel does something on a channel of its own: what the broker refuses
// ends the channel.
func onChannel(s *session, do func(*amqp.Channel) error) error {
	ch, err := s.Channel()
	if err != nil {
		return fmt.Errorf("open a channel: %w", err)
	}
	if err := do(ch); err != nil {
		return err
	}
	if err := ch.Close(); err != nil {
		return fmt.Errorf("close a channel: %w", err)
	}
	return nil
}

// once connects to the first broker that answers.
func (t *Transport) once(ctx context.Context, name string, use func(context.Context, *session) error) error {
	var errs []error
	for i, url := range t.cfg.URLs {
		heard, err := t.connect(ctx, name, url, use)
		if err == nil || heard {
			return err
		}
		errs = append(errs, fmt.Errorf("broker %s: %w", t.addresses[i], err))
	}
	return errors.Join(errs...)
}
