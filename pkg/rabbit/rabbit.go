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
	"slices"
	"strings"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Defaults of Config.
const (
	DefaultExchange = "lab-dotnet-micro"
	defaultPrefetch = 512
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

	// Prefetch is how many messages of one queue may be on their way to a
	// receiver, 512 by default. More than a receiver gets through in the broker's
	// consumer timeout (30 minutes) are taken away from it.
	Prefetch int

	// Log is told of connections that come and go. Nil: slog.Default.
	Log *slog.Logger
}

// Transport is an event transport over RabbitMQ. Publish works while Run runs.
// It is safe for concurrent use.
type Transport struct {
	cfg       Config
	addresses []string // the hosts of cfg.URLs, which hold passwords
	publisher publisher

	mu    sync.Mutex
	state map[string]string // by connection: what is wrong with it
	heard map[string]bool   // the types that this process listens for
}

// New checks cfg; it does not connect.
func New(cfg Config) (*Transport, error) {
	t := &Transport{cfg: cfg, state: make(map[string]string), heard: make(map[string]bool)}
	t.cfg.Exchange = cmp.Or(cfg.Exchange, DefaultExchange)
	t.cfg.QueueType = cmp.Or(cfg.QueueType, Classic)
	t.cfg.Prefetch = cmp.Or(cfg.Prefetch, defaultPrefetch)
	t.cfg.Log = cmp.Or(cfg.Log, slog.Default())
	if t.cfg.QueueType != Classic && t.cfg.QueueType != Quorum {
		return nil, fmt.Errorf("the type of queue %q is neither %s nor %s", t.cfg.QueueType, Classic, Quorum)
	}
	if len(cfg.URLs) == 0 {
		return nil, errors.New("there is no address of a broker")
	}
	for i, url := range cfg.URLs {
		uri, err := amqp.ParseURI(url)
		if err != nil {
			// The error may hold the URL, and the URL a password.
			return nil, fmt.Errorf("the broker's address number %d is no amqp:// or amqps:// URL", i+1)
		}
		t.addresses = append(t.addresses, fmt.Sprintf("%s:%d", uri.Host, uri.Port))
	}
	t.publisher.init()
	return t, nil
}

// Settings are what an operator says of the broker, in words.
type Settings struct {
	URLs      string // amqp://…, several of one cluster comma-separated; "" for no broker
	Exchange  string // DefaultExchange by default
	QueueType string // classic, the default, or quorum
}

// Open is the transport that the settings describe, or nil if they name no
// broker.
func Open(s Settings, log *slog.Logger) (*Transport, error) {
	var urls []string
	for url := range strings.SplitSeq(s.URLs, ",") {
		if url = strings.TrimSpace(url); url != "" {
			urls = append(urls, url)
		}
	}
	if len(urls) == 0 {
		return nil, nil //nolint:nilnil // No broker is a way to run.
	}
	return New(Config{URLs: urls, Exchange: s.Exchange, QueueType: QueueType(s.QueueType), Log: log})
}

// Degraded says in words what does not work just now, and nothing when all is
// well.
func (t *Transport) Degraded() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []string
	for connection, problem := range t.state {
		all = append(all, "broker ("+connection+"): "+problem)
	}
	slices.Sort(all)
	return all
}

// trouble notes what is wrong with a connection; "" is nothing.
func (t *Transport) trouble(connection, problem string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if problem == "" {
		delete(t.state, connection)
	} else {
		t.state[connection] = problem
	}
}

// Every wait for the broker has a deadline.
const (
	dialTimeout      = 5 * time.Second  // TCP, TLS and AMQP handshakes
	writeTimeout     = 10 * time.Second // one write to the socket; a blocked broker does not read
	heartbeat        = 5 * time.Second
	closeTimeout     = 2 * time.Second
	confirmTimeout   = 10 * time.Second
	readyTimeout     = 3 * time.Second // Publish waits so long for a connection
	retryFirst       = 50 * time.Millisecond
	retryMost        = 5 * time.Second
	steadyAfter      = 10 * time.Second // a connection that lasted so long begins the retries anew
	blockedByBroker  = "the broker takes no messages: "
	lostConnection   = "no connection: "
	publishingOn     = "publishing"
	maxPublishWindow = 512 // messages without a confirm
)
