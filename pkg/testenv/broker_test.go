package testenv_test

import (
	"context"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"parley.internal/pkg/testenv"
)

// publish stores a message and reports whether the broker confirmed that in time.
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

// durable is a channel with a queue that keeps what was confirmed.
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

// holds takes what is in the queue.
func holds(t *testing.T, url, want string) {
	t.Helper()
	_, ch := channel(t, url)
	got, ok, err := ch.Get("q", true)
	if err != nil || !ok || string(got.Body) != want {
		t.Errorf("the queue holds %q (%v, %v), want %q", got.Body, ok, err, want)
	}
}

// eventually waits for what arrives on a channel.
func eventually[T any](t *testing.T, ch <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(30 * time.Second):
		t.Fatal("there was no", what)
		panic("unreachable")
	}
}

func TestWhatIsDoneToABroker(t *testing.T) {
	b := testenv.NewBroker(t)
	if b.PID() != 0 {
		t.Error("it has a process before it is started")
	}
	silent(t, b)
	b.Start()
	conn, ch := durable(t, b.URL(), nil)

	t.Run("with a memory alarm it blocks who publishes", func(t *testing.T) {
		blocked := conn.NotifyBlocked(make(chan amqp.Blocking, 2))
		b.MemoryAlarm(true)
		if publish(t, ch, "q", "late", never) {
			t.Error("it confirms")
		}
		if !eventually(t, blocked, "connection.blocked").Active {
			t.Error("it was not blocked first")
		}
		b.MemoryAlarm(false)
		if eventually(t, blocked, "connection.unblocked").Active {
			t.Error("it is still blocked")
		}
		holdsSoon(t, ch, "late")
	})

	t.Run("frozen it answers nobody, thawed it goes on", func(t *testing.T) {
		b.Freeze()
		if publish(t, ch, "q", "held", never) {
			t.Error("it confirms")
		}
		b.Thaw()
		holdsSoon(t, ch, "held")
	})

	t.Run("it closes connections with a reason", func(t *testing.T) {
		closed := conn.NotifyClose(make(chan *amqp.Error, 1))
		b.CloseConnections("for a test")
		if err := eventually(t, closed, "connection.close"); !strings.Contains(err.Reason, "for a test") {
			t.Errorf("closed with %v", err)
		}
	})

	for name, end := range map[string]func(){"killed": b.Kill, "stopped": b.Stop} {
		t.Run(name+" and started it has its data", func(t *testing.T) {
			_, ch := durable(t, b.URL(), nil)
			if !publish(t, ch, "q", "kept", soon) {
				t.Fatal("not confirmed")
			}
			b.Sync()
			pid := b.PID()
			end()
			silent(t, b)
			b.Start()
			if b.PID() == pid || b.PID() == 0 {
				t.Errorf("its process was %d and is %d", pid, b.PID())
			}
			holds(t, b.URL(), "kept")
		})
	}
}

// silent fails the test if somebody answers at the broker's URL.
func silent(t *testing.T, b *testenv.Broker) {
	t.Helper()
	if conn, err := amqp.Dial(b.URL()); err == nil {
		_ = conn.Close()
		t.Error("somebody answers where no broker runs")
	}
}

// holdsSoon takes a message that may not have arrived yet.
func holdsSoon(t *testing.T, ch *amqp.Channel, want string) {
	t.Helper()
	deliveries, err := ch.ConsumeWithContext(t.Context(), "q", "c", true, false, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := eventually(t, deliveries, "delivery"); string(got.Body) != want {
		t.Errorf("the queue holds %q, want %q", got.Body, want)
	}
	if err := ch.Cancel("c", false); err != nil {
		t.Fatal(err)
	}
}

func TestAQuorumQueueOutlivesANode(t *testing.T) {
	brokers := testenv.StartCluster(t, 3)
	_, ch := durable(t, brokers[0].URL(), amqp.Table{"x-queue-type": "quorum"})
	if !publish(t, ch, "q", "kept", soon) {
		t.Fatal("not confirmed")
	}
	online := brokers[0].Ctl("list_queues", "--silent", "name", "online")
	for _, b := range brokers {
		if !strings.Contains(online, b.Name()) {
			t.Errorf("%s has no part in the queue: %s", b.Name(), online)
		}
	}
	brokers[0].Kill()
	deadline := time.After(30 * time.Second)
	for { // Until the other two have agreed who leads.
		_, ch := channel(t, brokers[1].URL())
		got, ok, err := ch.Get("q", true)
		if ok && string(got.Body) == "kept" {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("the queue holds %q (%v, %v)", got.Body, ok, err)
		case <-time.After(100 * time.Millisecond):
		}
	}
}
