package rabbit

import (
	"errors"
	"fmt"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Queue is the name of the queue in which a service gets a type of event.
func Queue(service, eventType string) string { return service + "-" + eventType }

// declareExchange makes the exchange, or makes sure that it is as it should be.
func (t *Transport) declareExchange(ch *amqp.Channel) error {
	err := ch.ExchangeDeclare(t.cfg.Exchange, amqp.ExchangeTopic, true, false, false, false, nil)
	return declared(err, "exchange "+t.cfg.Exchange)
}

// declareQueue makes a queue and binds it to a type of event, and to the type
// in lower case, which is what the original's services publish.
func (t *Transport) declareQueue(ch *amqp.Channel, service, eventType string) (name string, err error) {
	name = Queue(service, eventType)
	var args amqp.Table // Classic queues carry no argument: so did the original's.
	if t.cfg.QueueType == Quorum {
		args = amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeQuorum}
	}
	if _, err := ch.QueueDeclare(name, true, false, false, false, args); err != nil {
		return "", declared(err, "queue "+name)
	}
	for _, key := range []string{eventType, strings.ToLower(eventType)} {
		if err := ch.QueueBind(name, key, t.cfg.Exchange, false, nil); err != nil {
			return "", fmt.Errorf("bind queue %s to %s: %w", name, key, err)
		}
	}
	return name, nil
}

func declared(err error, what string) error {
	if e, ok := errors.AsType[*amqp.Error](err); ok && e.Code == amqp.PreconditionFailed {
		return fmt.Errorf("declare %s: %w: %s; delete it there, or set what it was declared with", what, errTopology, e.Reason)
	}
	if err != nil {
		return fmt.Errorf("declare %s: %w", what, err)
	}
	return nil
}
