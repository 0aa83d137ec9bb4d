package testenv_test

import (
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"parley.internal/pkg/testenv"
)

func channel(t *testing.T, url string) (*amqp.Connection, *amqp.Channel) {
	t.Helper()
	conn, err := amqp.Dial(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() }) // the broker may be gone
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	return conn, ch
}

func TestEachCallGetsOwnVhost(t *testing.T) {
	_, here := channel(t, testenv.RabbitMQ(t))
	_, there := channel(t, testenv.RabbitMQ(t))
	if _, err := here.QueueDeclare("q", true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := there.QueueDeclarePassive("q", true, false, false, false, nil); err == nil {
		t.Error("a queue of the first vhost exists in the second")
	}
}

func TestVhostIsRemovedWithItsTest(t *testing.T) {
	var url string
	t.Run("inner test", func(t *testing.T) {
		url = testenv.RabbitMQ(t)
		channel(t, url)
	})
	if conn, err := amqp.Dial(url); err == nil {
		_ = conn.Close()
		t.Error("vhost exists after the end of its test")
	}
}
