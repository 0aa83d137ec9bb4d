package rabbit

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	amqp "github.com/rabbitmq/amqp091-go"
)

// checkExchange refuses a name that no broker takes. The longest one that comes
// of it is that of the listeners.
func checkExchange(name string) error {
	most := mostName - len(Listeners(""))
	switch {
	case strings.HasPrefix(name, reserved):
		return fmt.Errorf("the exchange %q: names that begin with %s are the broker's own", name, reserved)
	case len(name) > most:
		return fmt.Errorf("the name of the exchange has %d bytes, and may have %d", len(name), most)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return fmt.Errorf("the name of the exchange %q is no text on one line", name)
	}
	return nil
}

// declareExchange makes the exchange, or makes sure that it is as it should be.
func (t *Transport) declareExchange(ch *amqp.Channel) error {
	err := ch.ExchangeDeclare(t.cfg.Exchange, amqp.ExchangeTopic, true, false, false, false, nil)
	return declared(err, "exchange "+t.cfg.Exchange)
}

// Listeners is the exchange through which listeners hear what is published on
// another: what they want goes to both. Queues of listeners bound to the first
// would count as somebody who keeps the message, and hide that nobody does.
func Listeners(exchange string) string { return exchange + "-listeners" }

func (t *Transport) declareListeners(ch *amqp.Channel) error {
	name := Listeners(t.cfg.Exchange)
	return declared(ch.ExchangeDeclare(name, amqp.ExchangeDirect, true, false, false, false, nil), "exchange "+name)
}

// declareEar makes a queue that lives as long as its connection. On the main
// exchange it is bound to the types in lower case only, which other services
// publish and this transport never does.
func (t *Transport) declareEar(ch *amqp.Channel, types []string) (name string, err error) {
	queue, err := ch.QueueDeclare("", false, true, true, false, nil)
	if err != nil {
		return "", declared(err, "a listener's queue")
	}
	for _, eventType := range types {
		if err := ch.QueueBind(queue.Name, eventType, Listeners(t.cfg.Exchange), false, nil); err != nil {
			return "", fmt.Errorf("bind a listener's queue to %s: %w", eventType, err)
		}
		foreign := strings.ToLower(eventType)
		if foreign == eventType {
			continue
		}
		if err := ch.QueueBind(queue.Name, foreign, t.cfg.Exchange, false, nil); err != nil {
			return "", fmt.Errorf("bind a listener's queue to %s: %w", foreign, err)
		}
	}
	return queue.Name, nil
}

// declareQueue makes a queue and binds it.
func (t *Transport) declareQueue(ch *amqp.Channel, service, eventType string) error {
	name := Queue(service, eventType)
	if _, err := ch.QueueDeclare(name, true, false, false, false, t.queueArguments()); err != nil {
		return declared(err, "queue "+name)
	}
	return t.bindQueue(ch, service, eventType)
}

// queueArguments of a classic queue are none: so were the original's.
func (t *Transport) queueArguments() amqp.Table {
	if t.cfg.QueueType == Quorum {
		return amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeQuorum}
	}
	return nil
}

// bindQueue binds a queue to a type of event, and to the type in lower case,
// which is what the original's services publish.
func (t *Transport) bindQueue(ch *amqp.Channel, service, eventType string) error {
	name := Queue(service, eventType)
	for _, key := range []string{eventType, strings.ToLower(eventType)} {
		if err := ch.QueueBind(name, key, t.cfg.Exchange, false, nil); err != nil {
			return fmt.Errorf("bind queue %s to %s: %w", name, key, err)
		}
	}
	return nil
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
