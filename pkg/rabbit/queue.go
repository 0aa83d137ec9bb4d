package rabbit

import (
	"errors"
	"fmt"
	"regexp"

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
	return binding{service: parts[1], eventType: parts[2]}, nil
}

// declareOthers makes the queues of Config.Queues. One that is there with other
// arguments keeps what is published all the same, once it is bound: it is
// reported, and in the way of nothing.
func (t *Transport) declareOthers(s *session) error {
	var problems error
	for _, b := range t.queues {
		err := onChannel(s, func(ch *amqp.Channel) error { return t.declareQueue(ch, b.service, b.eventType) })
		if errors.Is(err, errTopology) {
			problems = errors.Join(problems, err)
			err = onChannel(s, func(ch *amqp.Channel) error { return t.bindQueue(ch, b.service, b.eventType) })
		}
		if err != nil {
			return err
		}
	}
	t.lacking("")
	if problems != nil {
		t.lacking(problems.Error())
	}
	return nil
}
