package rabbit

import "github.com/prometheus/client_golang/prometheus"

// Role is a Publisher, a Consumer or a Listener.
type Role interface {
	Connections() []Connection
	Degraded() []string
}

var (
	connectionUp      = describe("broker_connection_up", "1 if the connection is established and not blocked.", "connection")
	connectionBlocked = describe("broker_connection_blocked", "1 during a resource alarm of the broker.", "connection")
	connectionsOpened = describe("broker_connections_opened_total", "Connections opened since the start.", "connection")
	unackedMessages   = describe("consumer_unacked_messages", "Messages received and not acknowledged.", "queue")
	unackedBytes      = describe("consumer_unacked_bytes", "Bytes of the unacked messages.", "queue")
)

func describe(name, help, label string) *prometheus.Desc {
	return prometheus.NewDesc("parley_"+name, help, []string{"service", label}, nil)
}

// Collector exports connections and unacked messages to Prometheus.
type Collector struct {
	service string
	roles   []Role
}

// NewCollector exports the metrics of the roles with the label "service".
func NewCollector(service string, roles ...Role) *Collector { return &Collector{service, roles} }

// Describe implements prometheus.Collector. It sends nothing, because a process may register
// collectors of several services, which differ only by label.
func (*Collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(metrics chan<- prometheus.Metric) {
	send := func(d *prometheus.Desc, kind prometheus.ValueType, value float64, label string) {
		metrics <- prometheus.MustNewConstMetric(d, kind, value, c.service, label)
	}
	for _, role := range c.roles {
		for _, conn := range role.Connections() {
			send(connectionUp, prometheus.GaugeValue, float(conn.Up), conn.Name)
			send(connectionBlocked, prometheus.GaugeValue, float(conn.Blocked), conn.Name)
			send(connectionsOpened, prometheus.CounterValue, float64(conn.Opened), conn.Name)
		}
		consumer, ok := role.(*Consumer)
		if !ok {
			continue
		}
		for _, q := range consumer.Unacked() {
			send(unackedMessages, prometheus.GaugeValue, float64(q.Messages), q.Queue)
			send(unackedBytes, prometheus.GaugeValue, float64(q.Bytes), q.Queue)
		}
	}
}

func float(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
