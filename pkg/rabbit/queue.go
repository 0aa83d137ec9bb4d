package rabbit

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Queue is the name of the queue in which a service gets a type of event.
func Queue(service, eventType string) string { return service + "-" + eventType }

// binding is a queue by its parts.
type binding struct{ service, eventType string }

// queueName has a type of event behind its last hyphen.
var queueName = regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9._-]{0,180})-([A-Za-z][A-Za-z0-9]{0,60})$`)

func parseQueue(name string) (binding, error) {
	parts := queueName.FindStringSubmatch(name)
	if parts == nil {
		return binding{}, fmt.Errorf("%q is no name of a queue: <service>-<EventType>, as lab-chat-service-PolicyCreated", name)
	}
	if strings.HasPrefix(name, reserved) {
		return binding{}, fmt.Errorf("the queue %q: names that begin with %s are the broker's own", name, reserved)
	}
	return binding{service: parts[1], eventType: parts[2]}, nil
}

// declareOthers makes the queues of Config.Queues. One that is there with other
// arguments keeps what is published all the same, once it is bound: it is
// reported, and in the way of nothing.
func (t *Transport) declareOthers(ctx context.Context, s *session) error {
	var problems error
	isNew := false
	for _, b := range t.queues {
		isNew = isNew || !t.isThere(s, b)
		err := onChannel(s, func(ch *amqp.Channel) error { return t.declareQueue(ch, b.service, b.eventType) })
		if errors.Is(err, errTopology) {
			problems = errors.Join(problems, err)
			err = onChannel(s, func(ch *amqp.Channel) error { return t.bindQueue(ch, b.service, b.eventType) })
		}
		if err != nil {
			return err
		}
	}
	if isNew && t.cfg.QueueType == Quorum {
		// RabbitMQ 3.10 may forget what a quorum queue of one node confirmed in the
		// first moments of its life, if it is killed then.
		pause(ctx, quorumSettles)
	}
	t.lacking("")
	if problems != nil {
		t.lacking(problems.Error())
	}
	return nil
}

// isThere reports whether there is such a queue, of whatever kind.
func (t *Transport) isThere(s *session, b binding) bool {
	return onChannel(s, func(ch *amqp.Channel) error {
		_, err := ch.QueueDeclarePassive(Queue(b.service, b.eventType), true, false, false, false, nil)
		return err
	}) == nil
}
