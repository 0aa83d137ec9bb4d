package testenv

import (
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Channel opens a channel of the plain AMQP library, closed when the test ends: a
// client independent of pkg/rabbit.
func Channel(tb testing.TB, url string) *amqp.Channel {
	tb.Helper()
	conn, err := amqp.Dial(url)
	must(tb, err)
	tb.Cleanup(func() { _ = conn.Close() }) // the broker may be gone
	ch, err := conn.Channel()
	must(tb, err)
	return ch
}
