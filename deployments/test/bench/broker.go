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
	window    = 512 // messages in flight, like the relay
)

// channel opens a channel in confirm mode, and declares the exchange.
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

// publishing returns a message with the headers that the relay sets.
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

// pipelined publishes n messages and waits for confirms only when the publish
// window is full: the upper limit of library and broker.
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
			tb.Fatal("message was nacked")
		}
	}
}

// oneByOne waits for the confirm of each message before publishing the next.
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

// watermill publishes like Watermill's AMQP publisher with confirms and without
// its pool of channels: for each message a channel is opened, put into confirm
// mode and closed after the confirm. With the pool Watermill behaves like
// oneByOne.
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
			tb.Fatal("message was nacked")
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
