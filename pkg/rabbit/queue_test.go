package rabbit_test

import (
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"parley.internal/pkg/event"
	"parley.internal/pkg/event/eventtest"
	"parley.internal/pkg/rabbit"
	"parley.internal/pkg/testenv"
)

func TestEventsWaitForFirstStartOfService(t *testing.T) {
	for _, queueType := range []string{rabbit.Classic, rabbit.Quorum} {
		t.Run(queueType, func(t *testing.T) {
			tr := start(t, rabbit.Config{
				URLs: testenv.RabbitMQ(t), QueueType: queueType,
				Queues: "lab-payments-service-Created,lab-other-Created",
			})
			m := eventtest.Message("Created")
			if err := tr.Publish(withPatience(t), []event.Message{m})[0]; err != nil {
				t.Fatal(err)
			}
			in, _ := subscribe(t, tr, "lab-payments-service", "Created")
			in.expect(t, m)
		})
	}
}

// A queue of any type keeps the events once bound.
func TestQueueOfOtherTypeDoesNotBlockPublishing(t *testing.T) {
	url := testenv.RabbitMQ(t)
	name := rabbit.Queue("lab-payments-service", "Created")
	ch := testenv.Channel(t, url)
	if _, err := ch.QueueDeclare(name, true, false, false, false, amqp.Table{amqp.QueueTypeArg: "quorum"}); err != nil {
		t.Fatal(err)
	}
	tr := start(t, rabbit.Config{URLs: url, Queues: name})
	m := eventtest.Message("Created")
	if err := tr.Publish(withPatience(t), []event.Message{m})[0]; err != nil {
		t.Fatal(err)
	}
	deliveries, err := ch.Consume(name, "", true, false, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	if d := <-deliveries; d.MessageId != m.ID {
		t.Errorf("got message %s, want %s", d.MessageId, m.ID)
	}
	if !tr.degradedBy(name) || !tr.degradedBy("x-queue-type") {
		t.Errorf("got problems %v, want the queue and its type", tr.Degraded())
	}
	if _, err := ch.QueueDelete(name, false, false, false); err != nil {
		t.Fatal(err)
	}
	tr.awaitHealthy(t)
	if _, err := ch.QueueDeclarePassive(name, true, false, false, false, nil); err != nil {
		t.Error(err)
	}
}

func TestDeletedQueueIsDeclaredAgain(t *testing.T) {
	url := testenv.RabbitMQ(t)
	tr := start(t, rabbit.Config{URLs: url})
	in, _ := subscribe(t, tr, "one", "Created", "Deleted")
	roundTrip(t, tr, in)
	ch := testenv.Channel(t, url)
	if _, err := ch.QueueDelete(rabbit.Queue("one", "Created"), false, false, false); err != nil {
		t.Fatal(err)
	}
	m := eventtest.Message("Created")
	publish(t, tr, m)
	in.expect(t, m)
	if err := ch.ExchangeDelete("lab-dotnet-micro", false, false); err != nil {
		t.Fatal(err)
	}
}
