package rabbit_test

import (
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"parley.internal/pkg/event"
	"parley.internal/pkg/event/eventtest"
	"parley.internal/pkg/rabbit"
	"parley.internal/pkg/testenv"
)

// ear is a listener that tells the test what it hears.
type ear struct {
	received

	missed chan struct{}
}

func listen(t *testing.T, r *rabbit.Transport, types ...string) ear {
	t.Helper()
	e := ear{received{make(chan event.Message, 10_000)}, make(chan struct{}, 100)}
	begin(t, r.Listen(types, func(m event.Message) { e.messages <- m }, func() { e.missed <- struct{}{} }))
	e.begins(t)
	return e
}

func (e ear) begins(t *testing.T) {
	t.Helper()
	select {
	case <-e.missed:
	case <-time.After(patience):
		t.Fatal("the listener was not told that it may have missed something")
	}
}

func TestAListenerHearsAgainAfterItsBrokerDied(t *testing.T) {
	broker := testenv.StartRabbitMQ(t)
	// Two nodes: the one that publishes is not the one that listens.
	r := transport(t, rabbit.Config{URLs: []string{broker.URL()}})
	other := transport(t, rabbit.Config{URLs: []string{broker.URL()}})
	got, _ := subscribe(t, r, "one", "Told")
	here, there := listen(t, r, "Told"), listen(t, other, "Told")
	for range 2 {
		m := eventtest.Message("Told")
		publish(t, r, m)
		for got.next(t).ID != m.ID {
		}
		for here.next(t).ID != m.ID {
		}
		for there.next(t).ID != m.ID {
		}
		broker.Sync()
		broker.Kill()
		broker.Start()
		here.begins(t)
		there.begins(t)
	}
}

func TestAListenerHearsWhatOtherServicesPublish(t *testing.T) {
	url := testenv.RabbitMQ(t)
	r := transport(t, rabbit.Config{URLs: []string{url}})
	e := listen(t, r, "TariffChanged", "ProductActivated")
	ch := foreign(t, url)
	err := ch.Publish("lab-dotnet-micro", "productactivated", false, false, amqp.Publishing{MessageId: "7", Body: []byte("{}")})
	if err != nil {
		t.Fatal(err)
	}
	if m := e.next(t); m.ID != "7" || m.Type != "ProductActivated" {
		t.Errorf("heard %s %s", m.Type, m.ID)
	}
}
