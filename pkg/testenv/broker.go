package testenv

import (
	"fmt"
	"testing"
)

// Broker is a private RabbitMQ node, for tests with faults.
type Broker struct {
	*Server

	node *node
}

// StartRabbitMQ starts a node, in 3 seconds.
func StartRabbitMQ(tb testing.TB) *Broker {
	tb.Helper()
	n, err := started(func() (*node, error) { return newNode(false) })
	must(tb, err)
	return &Broker{Server: newServer(tb, n.process), node: n}
}

// NewBroker prepares a node without starting it. The URL is known, but refuses
// connections until Start.
func NewBroker(tb testing.TB) *Broker {
	tb.Helper()
	n, err := newNode(false)
	must(tb, err)
	return &Broker{Server: newServer(tb, n.process), node: n}
}

// URL returns the URL of the broker and its only vhost. Restarts do not change it.
func (b *Broker) URL() string { return b.node.url("") }

// Name returns the node name for rabbitmqctl.
func (b *Broker) Name() string { return b.node.nodename }

// MemoryAlarm raises or clears the memory alarm. Under an alarm the broker sends
// connection.blocked to publishing connections and stops reading from them.
func (b *Broker) MemoryAlarm(on bool) {
	b.tb.Helper()
	if on {
		b.Ctl("set_vm_memory_high_watermark", "0.0")
		return
	}
	b.Ctl("set_vm_memory_high_watermark", "0.4")
}

// CloseConnections makes the broker close all connections with this reason.
func (b *Broker) CloseConnections(reason string) {
	b.tb.Helper()
	b.Ctl("close_all_connections", reason)
}

// Sync writes all declarations to disk. RabbitMQ itself writes some moments after
// it has confirmed a declaration: a kill in between loses a durable queue with all
// confirmed messages.
func (b *Broker) Sync() {
	b.tb.Helper()
	b.Ctl("eval", "mnesia:sync_log().")
}

// MaxMessage sets the maximum size of a message.
func (b *Broker) MaxMessage(bytes int) {
	b.tb.Helper()
	b.Ctl("eval", fmt.Sprintf("application:set_env(rabbit, max_message_size, %d).", bytes))
}

// Ctl runs rabbitmqctl --quiet against the broker, in half a second, and returns
// the output.
func (b *Broker) Ctl(args ...string) string {
	b.tb.Helper()
	out, err := b.node.ctl(args...)
	must(b.tb, err)
	return out
}
