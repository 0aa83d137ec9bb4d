package eventctl

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"parley.internal/pkg/outbox"
	"parley.internal/pkg/rabbit"
)

// Metrics are the figures of a running service's events, for Prometheus. What is
// nil has no figures.
type Metrics struct {
	Service string // the label "service"
	Outbox  *outbox.Outbox
	Relay   *outbox.Relay
	Inbox   *outbox.Inbox
	Broker  []rabbit.Role
}

// countTimeout bounds what a scrape asks of the database.
const countTimeout = 3 * time.Second

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("parley_"+name, help, append([]string{"service"}, labels...), nil)
}

var (
	counted = describe("events_counted", "1 if the database could be asked for the figures of events, else 0.")

	outboxPending    = describe("outbox_pending", "Events that are not published yet.")
	outboxOldest     = describe("outbox_oldest_seconds", "How old the oldest of them is.")
	outboxUnroutable = describe("outbox_unroutable", "Events that nobody has a queue for.")
	outboxRefused    = describe("outbox_refused", "Events that the broker does not take.")
	outboxRetained   = describe("outbox_retained", "Published events that can be published again.")
	relayLeading     = describe("relay_leading", "1 if this process publishes the events of its database.")

	inboxWaiting    = describe("inbox_waiting", "Events that wait for their predecessors.")
	inboxRetry      = describe("inbox_retry", "Events whose handler failed, and which are tried again.")
	inboxOldest     = describe("inbox_oldest_seconds", "How long ago the oldest of these came.")
	inboxDead       = describe("inbox_dead", "Dead letters.", "type")
	inboxEvents     = describe("inbox_events_total", "What came of events, since the process started.", "result")
	inboxRemembered = describe("inbox_remembered", "Ids that are remembered, so that nothing takes effect twice.")

	brokerUp      = describe("broker_up", "1 if a connection to the broker works.", "connection")
	brokerBlocked = describe("broker_blocked", "1 if the broker takes no messages.", "connection")
	brokerOpened  = describe("broker_opened_total", "How often a connection was opened.", "connection")

	inHand      = describe("consumer_in_hand", "Messages that this process has of a queue, and has not acknowledged.", "queue")
	inHandBytes = describe("consumer_in_hand_bytes", "The bytes of these messages.", "queue")
)

// Describe implements prometheus.Collector. It says nothing: a process may have
// the figures of several services, which differ by their label.
func (Metrics) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (m Metrics) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), countTimeout)
	defer cancel()
	ok := m.collectOutbox(ctx, to) && m.collectInbox(ctx, to)
	m.gauge(to, counted, flag01(ok))
	if m.Relay != nil {
		m.gauge(to, relayLeading, flag01(m.Relay.Leading()))
	}
	for _, role := range m.Broker {
		for _, c := range role.Connections() {
			m.gauge(to, brokerUp, flag01(c.Up), c.Name)
			m.gauge(to, brokerBlocked, flag01(c.Blocked), c.Name)
			to <- prometheus.MustNewConstMetric(brokerOpened, prometheus.CounterValue, float64(c.Opened), m.Service, c.Name)
		}
		consumer, ok := role.(*rabbit.Consumer)
		if !ok {
			continue
		}
		for _, q := range consumer.Unacked() {
			m.gauge(to, inHand, float64(q.Messages), q.Queue)
			m.gauge(to, inHandBytes, float64(q.Bytes), q.Queue)
		}
	}
}

func (m Metrics) collectOutbox(ctx context.Context, to chan<- prometheus.Metric) bool {
	if m.Outbox == nil {
		return true
	}
	f, err := m.Outbox.Figures(ctx)
	if err != nil {
		return false // counted says so.
	}
	m.gauge(to, outboxPending, float64(f.Pending))
	m.gauge(to, outboxOldest, age(f.Oldest))
	m.gauge(to, outboxUnroutable, float64(f.Unroutable))
	m.gauge(to, outboxRefused, float64(f.Refused))
	m.gauge(to, outboxRetained, float64(f.Sent))
	return true
}

func (m Metrics) collectInbox(ctx context.Context, to chan<- prometheus.Metric) bool {
	if m.Inbox == nil {
		return true
	}
	c := m.Inbox.Counts()
	for result, n := range map[string]int64{"handled": c.Handled, "again": c.Again, "failed": c.Failed, "gap": c.Gaps} {
		to <- prometheus.MustNewConstMetric(inboxEvents, prometheus.CounterValue, float64(n), m.Service, result)
	}
	f, err := m.Inbox.Figures(ctx)
	if err != nil {
		return false // As above.
	}
	m.gauge(to, inboxWaiting, float64(f.Waiting))
	m.gauge(to, inboxRetry, float64(f.Retry))
	m.gauge(to, inboxOldest, age(f.Oldest))
	m.gauge(to, inboxRemembered, float64(f.Remembered))
	byType := make(map[string]int64)
	for _, d := range f.Dead {
		byType[d.Type] += d.Events
	}
	for eventType, n := range byType {
		m.gauge(to, inboxDead, float64(n), eventType)
	}
	return true
}

func (m Metrics) gauge(to chan<- prometheus.Metric, d *prometheus.Desc, value float64, labels ...string) {
	to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, append([]string{m.Service}, labels...)...)
}

func flag01(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
