package bench

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	exchange  = "bench"
	eventType = "PolicyCreated"
	window    = 512 // unconfirmed messages, as the relay allows itself
)

// channel is a confirming channel with a durable queue behind the exchange.
func channel(tb testing.TB, url string) *amqp.Channel {
	tb.Helper()
	conn, err := amqp.Dial(url)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	if err != nil {
		tb.Fatal(err)
	}
	must(tb, ch.ExchangeDeclare(exchange, amqp.ExchangeTopic, true, false, false, false, nil))
	must(tb, ch.Confirm(false))
	return ch
}

func bind(tb testing.TB, ch *amqp.Channel, queue string) {
	tb.Helper()
	_, err := ch.QueueDeclare(queue, true, false, false, false, nil)
	must(tb, err)
	must(tb, ch.QueueBind(queue, eventType, exchange, false, nil))
}

func purge(tb testing.TB, ch *amqp.Channel, queue string) {
	tb.Helper()
	_, err := ch.QueuePurge(queue, false)
	must(tb, err)
}

// publishing is a message with the headers that the relay gives it.
func publishing(i int) amqp.Publishing {
	id := uuid.Must(uuid.NewV7()).String()
	return amqp.Publishing{
		MessageId: id, Type: eventType, Timestamp: time.Now(), ContentType: "application/json", AppId: "policy",
		DeliveryMode: amqp.Persistent, Body: []byte(body(i)),
		Headers: amqp.Table{
			"cloudEvents:specversion": "1.0", "cloudEvents:id": id, "cloudEvents:type": eventType, "cloudEvents:source": "policy",
			"cloudEvents:time": time.Now().UTC().Format(time.RFC3339Nano), "cloudEvents:partitionkey": "P-1", "cloudEvents:sequence": "1",
		},
	}
}

// pipelined publishes n messages and waits for each confirm only when its
// window is full: the limit of the library and the broker.
func pipelined(tb testing.TB, ch *amqp.Channel, n int) time.Duration {
	tb.Helper()
	begun := time.Now()
	var open []*amqp.DeferredConfirmation
	for i := range n {
		confirm, err := ch.PublishWithDeferredConfirm(exchange, eventType, true, false, publishing(i))
		must(tb, err)
		if open = append(open, confirm); len(open) == window {
			confirmed(tb, open)
			open = open[:0]
		}
	}
	confirmed(tb, open)
	return time.Since(begun)
}

func confirmed(tb testing.TB, open []*amqp.DeferredConfirmation) {
	tb.Helper()
	for _, confirm := range open {
		if !confirm.Wait() {
			tb.Fatal("not confirmed")
		}
	}
}

// oneByOne waits for each confirm before the next message.
func oneByOne(tb testing.TB, ch *amqp.Channel, n int) time.Duration {
	tb.Helper()
	begun := time.Now()
	for i := range n {
		confirm, err := ch.PublishWithDeferredConfirm(exchange, eventType, true, false, publishing(i))
		must(tb, err)
		confirmed(tb, []*amqp.DeferredConfirmation{confirm})
	}
	return time.Since(begun)
}

// watermill publishes as Watermill's AMQP publisher does by default with
// confirms: for each message a channel is opened, asked for confirms, waited
// for and closed. With its pool of channels it is oneByOne.
func watermill(tb testing.TB, url string, n int) time.Duration {
	tb.Helper()
	conn, err := amqp.Dial(url)
	must(tb, err)
	defer func() { _ = conn.Close() }()
	begun := time.Now()
	for i := range n {
		ch, err := conn.Channel()
		must(tb, err)
		must(tb, ch.Confirm(false))
		confirms := ch.NotifyPublish(make(chan amqp.Confirmation, 1))
		must(tb, ch.PublishWithContext(context.Background(), exchange, eventType, false, false, publishing(i)))
		if c := <-confirms; !c.Ack {
			tb.Fatal("not confirmed")
		}
		must(tb, ch.Close())
	}
	return time.Since(begun)
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
