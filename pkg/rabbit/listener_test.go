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

// listener collects the calls of a Listener.
type listener struct {
	inbox

	missed chan struct{}
}

func listen(t *testing.T, tr transport, types ...string) listener {
	t.Helper()
	l := listener{newInbox(), make(chan struct{}, 100)}
	run(t, tr.Listen(types, func(m event.Message) { l.messages <- m }, func() { l.missed <- struct{}{} }))
	l.awaitMissed(t)
	return l
}

// awaitMissed waits for the call of missed, which follows each connect.
func (l listener) awaitMissed(t *testing.T) {
	t.Helper()
	select {
	case <-l.missed:
	case <-time.After(patience):
		t.Fatal("got no call of missed")
	}
}

func TestListenerReconnectsAfterBrokerCrash(t *testing.T) {
	broker := testenv.StartRabbitMQ(t)
	// Two nodes: one publishes, both listen.
	tr := start(t, rabbit.Config{URLs: broker.URL()})
	other := start(t, rabbit.Config{URLs: broker.URL()})
	in, _ := subscribe(t, tr, "one", "Created")
	here, there := listen(t, tr, "Created"), listen(t, other, "Created")
	for range 2 {
		m := eventtest.Message("Created")
		publish(t, tr, m)
		in.await(t, m.ID)
		here.await(t, m.ID)
		there.await(t, m.ID)
		broker.Sync()
		broker.Kill()
		broker.Start()
		here.awaitMissed(t)
		there.awaitMissed(t)
	}
}

func TestListenerReceivesEventsOfOtherServices(t *testing.T) {
	url := testenv.RabbitMQ(t)
	l := listen(t, start(t, rabbit.Config{URLs: url}), "TariffChanged", "ProductActivated")
	ch := testenv.Channel(t, url)
	err := ch.Publish("lab-dotnet-micro", "productactivated", false, false, amqp.Publishing{MessageId: "7", Body: []byte("{}")})
	if err != nil {
		t.Fatal(err)
	}
	if m := l.next(t); m.ID != "7" || m.Type != "ProductActivated" {
		t.Errorf("got %s %s, want ProductActivated 7", m.Type, m.ID)
	}
}

// A copy for listeners costs throughput.
func TestOnlyListenedTypesAreCopied(t *testing.T) {
	url := testenv.RabbitMQ(t)
	tr := start(t, rabbit.Config{URLs: url})
	l := listen(t, tr, "TariffChanged")
	in, _ := subscribe(t, tr, "one", "PolicyCreated", "TariffChanged")
	publish(t, tr, eventtest.Message("PolicyCreated"))
	in.next(t)
	ch := testenv.Channel(t, url)
	tap, err := ch.QueueDeclare("", false, true, true, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, eventType := range []string{"PolicyCreated", "TariffChanged"} {
		if err := ch.QueueBind(tap.Name, eventType, rabbit.ListenersExchange("lab-dotnet-micro"), false, nil); err != nil {
			t.Fatal(err)
		}
	}
	copies, err := ch.Consume(tap.Name, "", true, false, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	changed := eventtest.Message("TariffChanged")
	publish(t, tr, eventtest.Message("PolicyCreated"), changed)
	l.expect(t, changed)
	if d := <-copies; d.MessageId != changed.ID {
		t.Errorf("got a copy of %s, want TariffChanged", d.Type)
	}
}
