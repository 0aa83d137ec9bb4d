package rabbit

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
)

// DefaultExchange is the default of Config.Exchange.
const DefaultExchange = "lab-dotnet-micro"

// Queue types. An existing queue keeps its type: RabbitMQ rejects a declaration with a different
// type.
const (
	Classic = "classic"
	Quorum  = "quorum" // replicated over a cluster
)

const (
	defaultPrefetch = 2 * maxBatch
	maxPrefetch     = 1<<16 - 1 // a 16-bit field of AMQP
	maxPort         = 1<<16 - 1
)

// ErrNoBroker is returned for a valid Config without URLs.
var ErrNoBroker = errors.New("no RabbitMQ URL is configured")

// Config configures a Publisher, a Consumer or a Listener. Only URLs is required. The env tags name
// the variables of programs that read it from the environment.
type Config struct {
	// URLs of the brokers of one cluster, amqp:// or amqps://, comma-separated. They are tried in
	// turn.
	URLs string `env:"RABBITMQ_URL"`

	// Exchange receives the published events, DefaultExchange by default.
	Exchange string `env:"EVENTS_EXCHANGE"`

	// QueueType of all declared queues: Classic (the default) or Quorum.
	QueueType string `env:"EVENTS_QUEUE_TYPE"`

	// Queues of other services, as "<service>-<EventType>" (see Queue), comma-separated. A
	// Publisher declares and binds them: events published before the first start of these services
	// are kept.
	Queues string `env:"EVENTS_QUEUES"`

	// Prefetch limits the unacked messages of each queue: 1024 by default, 65,535 at most. While a
	// batch is handled, the next batch arrives. The effective prefetch is lower if messages are so
	// large that it would exceed 16 MB, and while few messages arrive. When messages suddenly grow,
	// the broker still sends as many large messages as it was allowed to send small ones; the byte
	// limiter of a subscription then stops reading at 32 MB, until some are acknowledged. RabbitMQ
	// closes the channel of a consumer with a message unacked for longer than the broker's consumer
	// timeout (30 minutes).
	Prefetch int

	// Log receives connection events; slog.Default() by default.
	Log *slog.Logger
}

// newClient validates the configuration, without connecting. The rest is validated without URLs,
// too: a mistake is reported before the day of the first broker.
func (cfg Config) newClient() (*client, error) {
	c := &client{
		status: status{connections: make(map[string]*connectionState)},
		topology: topology{
			exchange: cmp.Or(cfg.Exchange, DefaultExchange), queueType: cmp.Or(cfg.QueueType, Classic),
		},
		prefetch: cmp.Or(cfg.Prefetch, defaultPrefetch),
		log:      cmp.Or(cfg.Log, slog.Default()),
	}
	if err := c.topology.validate(); err != nil {
		return nil, err
	}
	if c.prefetch < 1 || c.prefetch > maxPrefetch {
		return nil, fmt.Errorf("prefetch %d out of range [1, %d]", c.prefetch, maxPrefetch)
	}
	for i, url := range splitList(cfg.URLs) {
		b, err := parseBroker(url)
		if err != nil {
			return nil, fmt.Errorf("RabbitMQ URL number %d: %w", i+1, err)
		}
		c.brokers = append(c.brokers, b)
	}
	for _, name := range splitList(cfg.Queues) {
		q, err := parseQueue(name)
		if err != nil {
			return nil, err
		}
		c.topology.queues = append(c.topology.queues, q)
	}
	if len(c.brokers) == 0 {
		return nil, ErrNoBroker
	}
	return c, nil
}

// broker is one node of the cluster.
type broker struct {
	url string // may hold a password: never log it
	uri amqp.URI
}

// parseBroker returns errors without the URL, because the URL may hold a password.
func parseBroker(url string) (broker, error) {
	uri, err := amqp.ParseURI(url)
	if err != nil {
		return broker{}, errors.New("not an amqp:// or amqps:// URL")
	}
	if uri.Port < 1 || uri.Port > maxPort {
		return broker{}, fmt.Errorf("port out of range [1, %d]", maxPort)
	}
	return broker{url: url, uri: uri}, nil
}

// address is the broker's host and port, without credentials.
func (b broker) address() string { return net.JoinHostPort(b.uri.Host, strconv.Itoa(b.uri.Port)) }

func splitList(s string) (items []string) {
	for item := range strings.SplitSeq(s, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}
