// Package rabbit carries events over RabbitMQ: a durable topic exchange, and a
// durable queue for each type of event that a service wants.
//
// Its promise: a message that Publish answered nil for is in every queue that
// is bound to its type, on disk; a delivery is acknowledged only once its
// receiver has taken it; and a broker that goes away is waited for, for ever,
// with both sides declaring what they need when it is back.
package rabbit

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Defaults of Config.
const (
	DefaultExchange = "lab-dotnet-micro"
	defaultPrefetch = 2 * maxBatch
	mostPrefetch    = 1<<16 - 1 // what the protocol can say
	mostPort        = 1<<16 - 1
	mostName        = 255    // bytes of a name, as above
	reserved        = "amq." // names of the broker's own begin so
)

// QueueType is how a broker keeps a queue.
type QueueType string

// The types of queue. A queue that exists keeps its type: declaring it with
// another one is refused by the broker.
const (
	Classic QueueType = "classic"
	Quorum  QueueType = "quorum" // replicated over a cluster
)

// Config of a Transport. URLs is needed, the rest has defaults.
type Config struct {
	// URLs of the brokers of one cluster, amqp:// or amqps://. One after the
	// other is tried.
	URLs []string

	// Exchange is where events are published, DefaultExchange by default.
	Exchange string

	// QueueType is Classic by default.
	QueueType QueueType

	// Queues are queues of others that this transport declares and binds when it
	// publishes, as "<service>-<EventType>" (see Queue): nothing is lost of what is
	// published before such a service runs for the first time. They get QueueType.
	Queues []string

	// Prefetch is how many messages of one queue may be on their way to a receiver,
	// 1024 by default and 65,535 at most: a batch is in hand while the next one
	// comes. They are fewer if together they would have more than 16 MB, or if
	// there are not that many to take. Of messages that grow all of a sudden the
	// broker sends once as many as of the small ones before; a subscription reads
	// 32 MB of them, and what more there is when it has got through some. More than
	// a receiver gets through in the broker's consumer timeout (30 minutes) are
	// taken away from it.
	Prefetch int

	// Log is told of connections that come and go. Nil: slog.Default.
	Log *slog.Logger
}

// Transport is an event transport over RabbitMQ. Publish works while Run runs.
// It is safe for concurrent use.
type Transport struct {
	cfg       Config
	uris      []amqp.URI // of cfg.URLs
	addresses []string   // the hosts of cfg.URLs, which hold passwords
	queues    []binding  // of cfg.Queues
	publisher publisher

	mu    sync.Mutex
	state map[string]*state // by connection
	taken map[*queue]bool   // the queues that are consumed
	heard map[string]bool   // the types that this process listens for
	tells bool              // listeners elsewhere hear all types
	other string            // what is wrong with cfg.Queues
}

// New checks cfg; it does not connect.
func New(cfg Config) (*Transport, error) {
	if len(cfg.URLs) == 0 {
		return nil, errors.New("there is no address of a broker")
	}
	t, err := configured(cfg)
	if err != nil {
		return nil, err
	}
	t.publisher.init()
	return t, nil
}

// configured is a transport that has what cfg says, and the defaults.
func configured(cfg Config) (*Transport, error) {
	t := &Transport{cfg: cfg, state: make(map[string]*state), taken: make(map[*queue]bool), heard: make(map[string]bool)}
	t.cfg.Exchange = cmp.Or(cfg.Exchange, DefaultExchange)
	t.cfg.QueueType = cmp.Or(cfg.QueueType, Classic)
	t.cfg.Prefetch = cmp.Or(cfg.Prefetch, defaultPrefetch)
	t.cfg.Log = cmp.Or(cfg.Log, slog.Default())
	if t.cfg.QueueType != Classic && t.cfg.QueueType != Quorum {
		return nil, fmt.Errorf("the type of queue %q is neither %s nor %s", t.cfg.QueueType, Classic, Quorum)
	}
	if t.cfg.Prefetch < 1 || t.cfg.Prefetch > mostPrefetch {
		return nil, fmt.Errorf("a prefetch of %d is not from 1 to %d", t.cfg.Prefetch, mostPrefetch)
	}
	if err := checkExchange(t.cfg.Exchange); err != nil {
		return nil, err
	}
	for i, url := range cfg.URLs {
		uri, err := amqp.ParseURI(url)
		if err != nil {
			// The error may hold the URL, and the URL a password.
			return nil, fmt.Errorf("the broker's address number %d is no amqp:// or amqps:// URL", i+1)
		}
		if uri.Port < 1 || uri.Port > mostPort {
			return nil, fmt.Errorf("the broker's address number %d has a port that is not from 1 to %d", i+1, mostPort)
		}
		t.uris = append(t.uris, uri)
		t.addresses = append(t.addresses, address(uri))
	}
	for _, name := range cfg.Queues {
		b, err := parseQueue(name)
		if err != nil {
			return nil, err
		}
		t.queues = append(t.queues, b)
	}
	return t, nil
}

func address(uri amqp.URI) string { return net.JoinHostPort(uri.Host, strconv.Itoa(uri.Port)) }

// Every wait for the broker has a deadline.
const (
	dialTimeout      = 5 * time.Second  // TCP
	setupTimeout     = 10 * time.Second // TCP, TLS and AMQP handshakes, and what is declared then
	heldMost         = 64 << 10         // bytes that one write to the socket puts together
	writeTimeout     = 10 * time.Second // one write to the socket; a blocked broker does not read
	heartbeat        = 5 * time.Second
	silence          = 3 * heartbeat // then the broker is gone
	closeTimeout     = time.Second
	quorumSettles    = time.Second
	topologyRetry    = 5 * time.Second // an operator may have mended it
	confirmTimeout   = 10 * time.Second
	nackedRetry      = 100 * time.Millisecond
	readyTimeout     = 3 * time.Second // Publish waits so long for a connection
	retryFirst       = 50 * time.Millisecond
	retryMost        = 5 * time.Second
	steadyAfter      = 10 * time.Second // a connection that lasted so long begins the retries anew
	blockedByBroker  = "the broker takes no messages: "
	lostConnection   = "no connection: "
	publishingOn     = "publishing"
	maxPublishWindow = 512 // messages without a confirm
)
