package rabbit

import "parley.internal/pkg/metric"

// Role is a Publisher, a Consumer or a Listener.
type Role interface {
	Connections() []Connection
	Degraded() []string
}

// NewCollector returns a Prometheus collector of the connections and the unacked messages of roles,
// with the label service.
func NewCollector(service string, roles ...Role) *metric.Collector {
	return metric.NewCollector(service, func(s metric.Scrape) {
		for _, role := range roles {
			for _, c := range role.Connections() {
				s.Flag("parley_broker_connection_up", "1 if the connection is established and not blocked.", c.Up, "connection", c.Name)
				s.Flag("parley_broker_connection_blocked", "1 during a resource alarm of the broker.", c.Blocked, "connection", c.Name)
				s.Counter("parley_broker_connections_opened_total", "Connections opened since the start.", c.Opened, "connection", c.Name)
			}
			consumer, ok := role.(*Consumer)
			if !ok {
				continue
			}
			for _, q := range consumer.Unacked() {
				s.Gauge("parley_consumer_unacked_messages", "Messages received and not acknowledged.", float64(q.Messages), "queue", q.Queue)
				s.Gauge("parley_consumer_unacked_bytes", "Bytes of the unacked messages.", float64(q.Bytes), "queue", q.Queue)
			}
		}
	})
}
