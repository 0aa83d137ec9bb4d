package testenv

import (
	"fmt"
	"testing"
)

// Broker is a RabbitMQ node of its own, for a test that does it harm.
type Broker struct {
	*Server

	node *node
}

// StartRabbitMQ starts a node, which takes 3 seconds.
func StartRabbitMQ(tb testing.TB) *Broker {
	tb.Helper()
	n, err := started(func() (*node, error) { return newNode(false) })
	must(tb, err)
	return &Broker{Server: newServer(tb, n.process), node: n}
}

// NewBroker is a node that is not running yet, but whose URL is known. Nothing
// answers there until it is started.
func NewBroker(tb testing.TB) *Broker {
	tb.Helper()
	n, err := newNode(false)
	must(tb, err)
	return &Broker{Server: newServer(tb, n.process), node: n}
}

// URL is where the broker is, its only vhost included. It stays the same.
func (b *Broker) URL() string { return b.node.url("") }

// Name is the node's, as rabbitmqctl has it.
func (b *Broker) Name() string { return b.node.nodename }

// MemoryAlarm has it believe that its memory is full, or enough again. With the
// alarm on it reads nothing from connections that publish, and tells them so.
func (b *Broker) MemoryAlarm(on bool) {
	b.tb.Helper()
	if on {
		b.Ctl("set_vm_memory_high_watermark", "0.0")
		return
	}
	b.Ctl("set_vm_memory_high_watermark", "0.4")
}

// CloseConnections has it close all its connections, which are told the reason.
func (b *Broker) CloseConnections(reason string) {
	b.tb.Helper()
	b.Ctl("close_all_connections", reason)
}

// Sync has it write to disk what was declared so far. RabbitMQ does that by
// itself some moments after it has answered: killed before, it forgets a durable
// queue, and all that was confirmed for it.
func (b *Broker) Sync() {
	b.tb.Helper()
	b.Ctl("eval", "mnesia:sync_log().")
}

// MaxMessage sets how many bytes a message may have.
func (b *Broker) MaxMessage(bytes int) {
	b.tb.Helper()
	b.Ctl("eval", fmt.Sprintf("application:set_env(rabbit, max_message_size, %d).", bytes))
}

// Ctl runs rabbitmqctl against it, which takes half a second, and returns what
// that printed, without its remarks about what it does.
func (b *Broker) Ctl(args ...string) string {
	b.tb.Helper()
	out, err := b.node.ctl(args...)
	must(b.tb, err)
	return out
}
