package rabbit_test

import (
	"context"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"parley.internal/pkg/event"
	"parley.internal/pkg/event/eventtest"
	"parley.internal/pkg/rabbit"
	"parley.internal/pkg/testenv"
)

// lateAck is a queue with two messages. The connection of a consumer is cut while it handles the
// first message. Another client takes the first message, so that the consumer's new connection
// receives the second.
type lateAck struct {
	broker, url   string
	proxy         *testenv.Proxy
	first, second event.Message
}

func newLateAck(t *testing.T) lateAck {
	t.Helper()
	broker := testenv.RabbitMQ(t)
	proxy, url := proxied(t, broker)
	l := lateAck{broker: broker, url: url, proxy: proxy, first: eventtest.Message("Created"), second: eventtest.Message("Created")}
	tr := start(t, rabbit.Config{URLs: broker, Queues: "one-Created"})
	publish(t, tr, l.first)
	publish(t, tr, l.second)
	return l
}

// takeFirst makes another client hold the first message as soon as it is requeued.
func (l lateAck) takeFirst(t *testing.T) {
	t.Helper()
	ch := testenv.Channel(t, l.broker)
	for ctx := withPatience(t); ; shortPause(ctx) {
		d, ok, err := ch.Get("one-Created", false)
		if err != nil || ctx.Err() != nil {
			t.Fatalf("the first message was not requeued: %v", err)
		}
		if ok && d.MessageId == l.first.ID {
			return
		}
		if ok {
			if err := d.Reject(true); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// remaining returns the ids left in the queue after the end of its consumers.
func (l lateAck) remaining(t *testing.T) map[string]bool {
	t.Helper()
	ch := testenv.Channel(t, l.broker)
	ids := map[string]bool{}
	for ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second); ; shortPause(ctx) {
		defer cancel()
		d, ok, err := ch.Get("one-Created", true)
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			ids[d.MessageId] = true
		}
		if ids[l.second.ID] || ctx.Err() != nil {
			return ids
		}
	}
}

// This is why the package does not use the library's own recovery.
func TestLateAckWithLibraryRecoveryLosesMessage(t *testing.T) {
	l := newLateAck(t)
	conn, err := amqp.DialConfig(l.url, amqp.Config{Recovery: &amqp.Recovery{}})
	if err != nil {
		t.Fatal(err)
	}
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	if err := ch.Qos(1, 0, false); err != nil {
		t.Fatal(err)
	}
	deliveries, err := ch.Consume("one-Created", "", false, false, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	first := <-deliveries
	if first.MessageId != l.first.ID {
		t.Fatalf("got message %s first, want %s", first.MessageId, l.first.ID)
	}
	l.proxy.Block() // until the other client holds the first message
	l.proxy.Cut()
	l.takeFirst(t)
	l.proxy.Unblock()
	select {
	case d := <-deliveries:
		if d.MessageId != l.second.ID {
			t.Fatalf("got message %s after the recovery, want %s", d.MessageId, l.second.ID)
		}
	case <-time.After(patience):
		t.Fatal("the library did not recover")
	}
	// The first message is handled, the second is not. Then the process ends.
	if err := first.Ack(false); err != nil {
		t.Fatalf("the library rejected the late acknowledgement: %v", err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	if l.remaining(t)[l.second.ID] {
		t.Error("the second message is not lost: the library's recovery may have become safe")
	}
}

func TestLateAckLosesNothing(t *testing.T) {
	l := newLateAck(t)
	tr := newTransport(t, rabbit.Config{URLs: l.url, Prefetch: 1})
	handling, handled := make(chan string, 10), make(chan struct{})
	crashed, crash := context.WithCancel(t.Context())
	stop := run(t, tr.Subscribe(event.Subscription{
		Name: "one", Types: []string{"Created"},
		Receive: func(_ context.Context, batch []event.Message) error {
			handling <- batch[0].ID
			if batch[0].ID == l.first.ID {
				<-handled
				return nil
			}
			<-crashed.Done()
			return crashed.Err()
		},
	}))
	defer crash()
	if id := <-handling; id != l.first.ID {
		t.Fatalf("got message %s first, want %s", id, l.first.ID)
	}
	l.proxy.Block()
	l.proxy.Cut()
	l.takeFirst(t)
	l.proxy.Unblock()
	close(handled) // Its acknowledgement is late.
	if id := <-handling; id != l.second.ID {
		t.Fatalf("got message %s after the reconnect, want %s", id, l.second.ID)
	}
	crash()
	stop()
	if !l.remaining(t)[l.second.ID] {
		t.Error("the second message is lost")
	}
}
