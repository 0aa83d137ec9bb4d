package testenv_test

import (
	"context"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"parley.internal/pkg/testenv"
)

// publish publishes a message and reports whether the broker confirmed it in time.
func publish(t *testing.T, ch *amqp.Channel, queue, body string, within time.Duration) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	message := amqp.Publishing{DeliveryMode: amqp.Persistent, Body: []byte(body)}
	confirm, err := ch.PublishWithDeferredConfirmWithContext(ctx, "", queue, true, false, message)
	if err != nil {
		return false
	}
	ok, err := confirm.WaitContext(ctx)
	return ok && err == nil
}

// durable opens a channel with confirms and declares a durable queue.
func durable(t *testing.T, url string, args amqp.Table) (*amqp.Connection, *amqp.Channel) {
	t.Helper()
	conn, ch := channel(t, url)
	if _, err := ch.QueueDeclare("q", true, false, false, false, args); err != nil {
		t.Fatal(err)
	}
	if err := ch.Confirm(false); err != nil {
		t.Fatal(err)
	}
	return conn, ch
}

// wantMessage checks the next message of the queue.
func wantMessage(t *testing.T, url, want string) {
	t.Helper()
	_, ch := channel(t, url)
	got, ok, err := ch.Get("q", true)
	if err != nil || !ok || string(got.Body) != want {
		t.Errorf("got message %q (%v, %v), want %q", got.Body, ok, err, want)
	}
}

// receive waits for a value on a Go channel.
func receive[T any](t *testing.T, ch <-chan T, name string) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(30 * time.Second):
		t.Fatalf("no %s within 30 s", name)
		panic("unreachable")
	}
}

func TestBrokerFaults(t *testing.T) {
	b := testenv.NewBroker(t)
	if b.PID() != 0 {
		t.Error("broker has a process before Start")
	}
	wantRefused(t, b)
	b.Start()
	conn, ch := durable(t, b.URL(), nil)

	t.Run("memory alarm blocks publishers", func(t *testing.T) {
		blocked := conn.NotifyBlocked(make(chan amqp.Blocking, 2))
		b.MemoryAlarm(true)
		if publish(t, ch, "q", "late", never) {
			t.Error("got a confirm, want none")
		}
		if !receive(t, blocked, "connection.blocked").Active {
			t.Error("got connection.unblocked before connection.blocked")
		}
		b.MemoryAlarm(false)
		if receive(t, blocked, "connection.unblocked").Active {
			t.Error("connection is still blocked after the alarm")
		}
		wantDelivery(t, ch, "late")
	})

	t.Run("freeze and thaw", func(t *testing.T) {
		b.Freeze()
		if publish(t, ch, "q", "held", never) {
			t.Error("got a confirm, want none")
		}
		b.Thaw()
		wantDelivery(t, ch, "held")
	})

	t.Run("closed connections get the reason", func(t *testing.T) {
		closed := conn.NotifyClose(make(chan *amqp.Error, 1))
		b.CloseConnections("for a test")
		if err := receive(t, closed, "connection.close"); !strings.Contains(err.Reason, "for a test") {
			t.Errorf("got close error %v, want the reason", err)
		}
	})

	for name, end := range map[string]func(){"killed": b.Kill, "stopped": b.Stop} {
		t.Run(name+" broker keeps its data", func(t *testing.T) {
			_, ch := durable(t, b.URL(), nil)
			if !publish(t, ch, "q", "kept", soon) {
				t.Fatal("message was not confirmed")
			}
			b.Sync()
			pid := b.PID()
			end()
			wantRefused(t, b)
			b.Start()
			if b.PID() == pid || b.PID() == 0 {
				t.Errorf("got process %d after the restart of %d, want a new one", b.PID(), pid)
			}
			wantMessage(t, b.URL(), "kept")
		})
	}
}

// wantRefused fails the test if a connection to the broker's URL succeeds.
func wantRefused(t *testing.T, b *testenv.Broker) {
	t.Helper()
	if conn, err := amqp.Dial(b.URL()); err == nil {
		_ = conn.Close()
		t.Error("connected to a broker that is not running")
	}
}

// wantDelivery waits for the next message of the queue.
func wantDelivery(t *testing.T, ch *amqp.Channel, want string) {
	t.Helper()
	deliveries, err := ch.ConsumeWithContext(t.Context(), "q", "c", true, false, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := receive(t, deliveries, "delivery"); string(got.Body) != want {
		t.Errorf("got message %q, want %q", got.Body, want)
	}
	if err := ch.Cancel("c", false); err != nil {
		t.Fatal(err)
	}
}

func TestQuorumQueueSurvivesLossOfNode(t *testing.T) {
	brokers := testenv.StartCluster(t, 3)
	_, ch := durable(t, brokers[0].URL(), amqp.Table{"x-queue-type": "quorum"})
	if !publish(t, ch, "q", "kept", soon) {
		t.Fatal("message was not confirmed")
	}
	online := brokers[0].Ctl("list_queues", "--silent", "name", "online")
	for _, b := range brokers {
		if !strings.Contains(online, b.Name()) {
			t.Errorf("node %s has no replica of the queue: %s", b.Name(), online)
		}
	}
	brokers[0].Kill()
	deadline := time.After(30 * time.Second)
	for { // until the other two nodes have elected a leader
		_, ch := channel(t, brokers[1].URL())
		got, ok, err := ch.Get("q", true)
		if ok && string(got.Body) == "kept" {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("got message %q (%v, %v) after 30 s, want kept", got.Body, ok, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}
