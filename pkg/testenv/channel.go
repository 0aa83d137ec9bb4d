package testenv

import (
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"
)

// Channel is a broker's client of another make: the bare library, until the test
// has ended.
func Channel(tb testing.TB, url string) *amqp.Channel {
	tb.Helper()
	conn, err := amqp.Dial(url)
	must(tb, err)
	tb.Cleanup(func() { _ = conn.Close() }) // The broker may have died before.
	ch, err := conn.Channel()
	must(tb, err)
	return ch
}
