package rabbit

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	amqp "github.com/rabbitmq/amqp091-go"

	"parley.internal/pkg/retry"
)

const (
	maxName        = 255    // bytes of a name in AMQP
	reservedPrefix = "amq." // of the names reserved by RabbitMQ
)

// errTopology reports an exchange or a queue with other arguments on the broker. Only an operator
// can correct it; retrying does not.
var errTopology = errors.New("topology mismatch")

// Queue returns the name of the queue in which a service receives an event type.
func Queue(service, eventType string) string { return service + "-" + eventType }

// ListenersExchange returns the name of the exchange from which listeners receive copies of events
// published to exchange. A listener's queue bound to the main exchange would make every event
// routable, and hide an event type without any durable queue.
func ListenersExchange(exchange string) string { return exchange + "-listeners" }

// topology holds the exchange and the queues to declare.
type topology struct {
	exchange  string
	queueType string
	queues    []queueName // of other services
}

// validate checks the names against the limits of RabbitMQ. The listeners' exchange has the longest
// name.
func (t *topology) validate() error {
	longest := maxName - len(ListenersExchange(""))
	switch {
	case t.queueType != Classic && t.queueType != Quorum:
		return fmt.Errorf("queue type %q is neither %s nor %s", t.queueType, Classic, Quorum)
	case strings.HasPrefix(t.exchange, reservedPrefix):
		return fmt.Errorf("exchange %q: RabbitMQ reserves names with the prefix %s", t.exchange, reservedPrefix)
	case len(t.exchange) > longest:
		return fmt.Errorf("exchange name has %d bytes, at most %d are allowed", len(t.exchange), longest)
	case !utf8.ValidString(t.exchange) || strings.ContainsFunc(t.exchange, unicode.IsControl):
		return fmt.Errorf("exchange name %q is not UTF-8 text on one line", t.exchange)
	}
	return nil
}

// queueName is the name of a queue by its parts.
type queueName struct{ service, eventType string }

func (q queueName) String() string { return Queue(q.service, q.eventType) }

// queuePattern has the event type behind the last hyphen.
var queuePattern = regexp.MustCompile(`^([A-Za-z0-9][A-Za-z0-9._-]{0,180})-([A-Za-z][A-Za-z0-9]{0,60})$`)

func parseQueue(name string) (queueName, error) {
	parts := queuePattern.FindStringSubmatch(name)
	if parts == nil {
		return queueName{}, fmt.Errorf("queue name %q is not <service>-<EventType>, for example lab-chat-service-PolicyCreated", name)
	}
	if strings.HasPrefix(name, reservedPrefix) {
		return queueName{}, fmt.Errorf("queue %q: RabbitMQ reserves names with the prefix %s", name, reservedPrefix)
	}
	return queueName{service: parts[1], eventType: parts[2]}, nil
}

// part is a durable exchange or queue.
type part struct {
	noun string // "exchange" or "queue"
	name string
	kind string // amqp.ExchangeTopic or amqp.ExchangeDirect; Classic or Quorum
}

func (t *topology) mainExchange() part {
	return part{"exchange", t.exchange, amqp.ExchangeTopic}
}

func (t *topology) listenersExchange() part {
	return part{"exchange", ListenersExchange(t.exchange), amqp.ExchangeDirect}
}

func (t *topology) queue(q queueName) part { return part{"queue", q.String(), t.queueType} }

func (p part) String() string { return p.noun + " " + p.name }

// declare creates the part, or verifies its arguments if it exists. A passive declaration verifies
// only that the part exists. A classic queue has no arguments, as in the original services'
// declarations.
func (p part) declare(ch *amqp.Channel, passive bool) (q amqp.Queue, err error) {
	declareExchange, declareQueue := ch.ExchangeDeclare, ch.QueueDeclare
	if passive {
		declareExchange, declareQueue = ch.ExchangeDeclarePassive, ch.QueueDeclarePassive
	}
	switch p.kind {
	case Classic:
		return declareQueue(p.name, true, false, false, false, nil)
	case Quorum:
		return declareQueue(p.name, true, false, false, false, amqp.Table{amqp.QueueTypeArg: amqp.QueueTypeQuorum})
	default:
		return q, declareExchange(p.name, p.kind, true, false, false, false, nil)
	}
}

// declareAll creates parts, or verifies their arguments if they exist.
func declareAll(ch *amqp.Channel, parts ...part) error {
	for _, p := range parts {
		_, err := p.declare(ch, false)
		if e, ok := errors.AsType[*amqp.Error](err); ok && e.Code == amqp.PreconditionFailed {
			return fmt.Errorf("declare %s: %w: %s; delete it on the broker, or configure its present arguments", p, errTopology, e.Reason)
		}
		if err != nil {
			return fmt.Errorf("declare %s: %w", p, err)
		}
	}
	return nil
}

// declareExchanges creates or verifies both exchanges.
func (t *topology) declareExchanges(ch *amqp.Channel) error {
	return declareAll(ch, t.mainExchange(), t.listenersExchange())
}

// declareQueue declares and binds a durable queue, and its exchange.
func (t *topology) declareQueue(ch *amqp.Channel, q queueName) error {
	if err := declareAll(ch, t.mainExchange(), t.queue(q)); err != nil {
		return err
	}
	return bind(ch, q.String(), t.typeBindings(q.eventType)...)
}

// binding binds a queue to an exchange.
type binding struct{ exchange, key string }

// consumeExclusive consumes a queue with a generated name, deleted together with its connection,
// without acknowledgements.
func consumeExclusive(s *session, bindings ...binding) (<-chan amqp.Delivery, error) {
	ch, err := s.openChannel()
	if err != nil {
		return nil, err
	}
	q, err := ch.QueueDeclare("", false, true, true, false, nil)
	if err != nil {
		return nil, fmt.Errorf("declare exclusive queue: %w", err)
	}
	if err := bind(ch, q.Name, bindings...); err != nil {
		return nil, err
	}
	deliveries, err := ch.Consume(q.Name, "", true, true, false, false, nil)
	if err != nil {
		return nil, fmt.Errorf("consume exclusive queue: %w", err)
	}
	return deliveries, nil
}

func bind(ch *amqp.Channel, queue string, bindings ...binding) error {
	for _, b := range bindings {
		if err := ch.QueueBind(queue, b.key, b.exchange, false, nil); err != nil {
			return fmt.Errorf("bind queue %s to %s: %w", queue, b.key, err)
		}
	}
	return nil
}

// typeBindings bind a queue to an event type and to the lower-case type, the routing key of the
// original services.
func (t *topology) typeBindings(eventType string) []binding {
	return []binding{{t.exchange, eventType}, {t.exchange, strings.ToLower(eventType)}}
}

// listenerBindings bind a listener's queue to the main exchange with the lower-case types only:
// other services publish with them, a Publisher never does.
func (t *topology) listenerBindings(types []string) (bindings []binding) {
	for _, eventType := range types {
		bindings = append(bindings, binding{ListenersExchange(t.exchange), eventType})
		if foreign := strings.ToLower(eventType); foreign != eventType {
			bindings = append(bindings, binding{t.exchange, foreign})
		}
	}
	return bindings
}

// declareQueues declares the queues of other services. A queue that exists with other arguments
// still keeps events once bound: the mismatch is returned as problem, and does not prevent
// publishing.
func (t *topology) declareQueues(ctx context.Context, s *session) (problem string, err error) {
	var problems []string
	created := false
	for _, q := range t.queues {
		_, missing := s.declare(t.queue(q), true)
		created = created || missing != nil
		err := s.onChannel(func(ch *amqp.Channel) error { return t.declareQueue(ch, q) })
		if errors.Is(err, errTopology) {
			problems = append(problems, err.Error())
			err = s.onChannel(func(ch *amqp.Channel) error {
				return bind(ch, q.String(), t.typeBindings(q.eventType)...)
			})
		}
		if err != nil {
			return "", err
		}
	}
	if created && t.queueType == Quorum {
		// When killed just after the declaration, RabbitMQ 3.10 may lose confirmed messages of a
		// new quorum queue with a single node.
		retry.Wait(ctx, quorumSettleTime)
	}
	return strings.Join(problems, "\n"), nil
}
