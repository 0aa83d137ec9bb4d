package rabbit_test

import (
	"context"
	"net/url"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"parley.internal/pkg/event"
	"parley.internal/pkg/event/eventtest"
	"parley.internal/pkg/rabbit"
	"parley.internal/pkg/testenv"
)

// behind is the URL of a broker behind a proxy.
func behind(t *testing.T, broker string) (*testenv.Proxy, string) {
	t.Helper()
	u, err := url.Parse(broker)
	if err != nil {
		t.Fatal(err)
	}
	proxy := testenv.StartProxy(t, u.Host)
	u.Host = proxy.Addr()
	return proxy, u.String()
}

// lateAck is a queue with two messages, of which a consumer is just handling the
// first when its connection is cut. Another one takes that first message, so
// that what the consumer gets on its new connection is the second.
type lateAck struct {
	broker, url   string
	proxy         *testenv.Proxy
	first, second event.Message
}

func newLateAck(t *testing.T) lateAck {
	t.Helper()
	broker := testenv.RabbitMQ(t)
	proxy, through := behind(t, broker)
	l := lateAck{broker: broker, url: through, proxy: proxy, first: eventtest.Message("Told"), second: eventtest.Message("Told")}
	r := transport(t, rabbit.Config{URLs: []string{broker}, Queues: []string{"one-Told"}})
	publish(t, r, l.first)
	publish(t, r, l.second)
	return l
}

// takeFirst has another consumer hold the first message, as soon as it is free.
func (l lateAck) takeFirst(t *testing.T) {
	t.Helper()
	ch := testenv.Channel(t, l.broker)
	for ctx := patient(t); ; wait(ctx) {
		d, ok, err := ch.Get("one-Told", false)
		if err != nil || ctx.Err() != nil {
			t.Fatalf("the first message never came free: %v", err)
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

// left is what the queue holds once its consumers are gone.
func (l lateAck) left(t *testing.T) map[string]bool {
	t.Helper()
	ch := testenv.Channel(t, l.broker)
	ids := map[string]bool{}
	for ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second); ; wait(ctx) {
		defer cancel()
		d, ok, err := ch.Get("one-Told", true)
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

// This is why the transport does not use the library's own recovery.
func TestALateAckLosesAMessageWithTheLibrarysRecovery(t *testing.T) {
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
	deliveries, err := ch.Consume("one-Told", "", false, false, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	first := <-deliveries
	if first.MessageId != l.first.ID {
		t.Fatalf("%s came first", first.MessageId)
	}
	l.proxy.Block() // It comes back once the other has what it lost.
	l.proxy.Cut()
	l.takeFirst(t)
	l.proxy.Unblock()
	select {
	case d := <-deliveries:
		if d.MessageId != l.second.ID {
			t.Fatalf("%s came after the recovery", d.MessageId)
		}
	case <-time.After(patience):
		t.Fatal("the library did not recover")
	}
	// The first is handled, the second is not. Then the process dies.
	if err := first.Ack(false); err != nil {
		t.Fatalf("the late ack was refused: %v", err)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	if l.left(t)[l.second.ID] {
		t.Error("the second message is not lost: the library's recovery may have become safe")
	}
}

func TestALateAckLosesNothing(t *testing.T) {
	l := newLateAck(t)
	r, err := rabbit.New(rabbit.Config{URLs: []string{l.url}, Prefetch: 1, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	handling, handled := make(chan string, 10), make(chan struct{})
	dies, die := context.WithCancel(t.Context())
	stop := begin(t, r.Subscribe(event.Subscription{
		Name: "one", Types: []string{"Told"},
		Receive: func(_ context.Context, batch []event.Message) error {
			handling <- batch[0].ID
			if batch[0].ID == l.first.ID {
				<-handled
				return nil
			}
			<-dies.Done()
			return dies.Err()
		},
	}))
	defer die()
	if id := <-handling; id != l.first.ID {
		t.Fatalf("%s came first", id)
	}
	l.proxy.Block()
	l.proxy.Cut()
	l.takeFirst(t)
	l.proxy.Unblock()
	close(handled) // Its ack is late.
	if id := <-handling; id != l.second.ID {
		t.Fatalf("%s came after the reconnection", id)
	}
	die()
	stop()
	if !l.left(t)[l.second.ID] {
		t.Error("the second message is lost")
	}
}
