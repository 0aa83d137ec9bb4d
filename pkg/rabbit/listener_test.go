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
	ch := testenv.Channel(t, url)
	err := ch.Publish("lab-dotnet-micro", "productactivated", false, false, amqp.Publishing{MessageId: "7", Body: []byte("{}")})
	if err != nil {
		t.Fatal(err)
	}
	if m := e.next(t); m.ID != "7" || m.Type != "ProductActivated" {
		t.Errorf("heard %s %s", m.Type, m.ID)
	}
}

// A copy for listeners is not for free.
func TestWhatNobodyListensForIsPublishedOnce(t *testing.T) {
	url := testenv.RabbitMQ(t)
	r := transport(t, rabbit.Config{URLs: []string{url}})
	e := listen(t, r, "TariffChanged")
	got, _ := subscribe(t, r, "one", "PolicyCreated", "TariffChanged")
	publish(t, r, eventtest.Message("PolicyCreated"))
	got.next(t)
	ch := testenv.Channel(t, url)
	tap, err := ch.QueueDeclare("", false, true, true, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, eventType := range []string{"PolicyCreated", "TariffChanged"} {
		if err := ch.QueueBind(tap.Name, eventType, rabbit.Listeners("lab-dotnet-micro"), false, nil); err != nil {
			t.Fatal(err)
		}
	}
	copies, err := ch.Consume(tap.Name, "", true, false, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	changed := eventtest.Message("TariffChanged")
	publish(t, r, eventtest.Message("PolicyCreated"), changed)
	if m := e.next(t); m.ID != changed.ID {
		t.Errorf("heard %s", m.Type)
	}
	if d := <-copies; d.MessageId != changed.ID {
		t.Errorf("there is a copy of %s", d.Type)
	}
}
