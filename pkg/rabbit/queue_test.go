package rabbit_test

import (
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"parley.internal/pkg/event"
	"parley.internal/pkg/event/eventtest"
	"parley.internal/pkg/rabbit"
	"parley.internal/pkg/testenv"
)

func TestWhatIsPublishedBeforeTheFirstStartOfAServiceWaitsForIt(t *testing.T) {
	for _, queues := range []rabbit.QueueType{rabbit.Classic, rabbit.Quorum} {
		t.Run(string(queues), func(t *testing.T) {
			r := transport(t, rabbit.Config{
				URLs: []string{testenv.RabbitMQ(t)}, QueueType: queues,
				Queues: []string{"lab-payments-service-Told", "lab-other-Told"},
			})
			m := eventtest.Message("Told")
			if err := r.Publish(patient(t), []event.Message{m})[0]; err != nil {
				t.Fatal(err)
			}
			got, _ := subscribe(t, r, "lab-payments-service", "Told")
			if arrived := got.next(t); arrived.ID != m.ID {
				t.Errorf("%s arrived", arrived.ID)
			}
		})
	}
}

// What is published is kept by a queue of any kind.
func TestAQueueOfAnotherTypeIsNotInTheWayOfPublishing(t *testing.T) {
	url := testenv.RabbitMQ(t)
	name := rabbit.Queue("lab-payments-service", "Told")
	ch := testenv.Channel(t, url)
	if _, err := ch.QueueDeclare(name, true, false, false, false, amqp.Table{amqp.QueueTypeArg: "quorum"}); err != nil {
		t.Fatal(err)
	}
	r := transport(t, rabbit.Config{URLs: []string{url}, Queues: []string{name}})
	m := eventtest.Message("Told")
	if err := r.Publish(patient(t), []event.Message{m})[0]; err != nil {
		t.Fatal(err)
	}
	deliveries, err := ch.Consume(name, "", true, false, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	if d := <-deliveries; d.MessageId != m.ID {
		t.Errorf("%s is in the queue", d.MessageId)
	}
	problems := strings.Join(r.Degraded(), "; ")
	if !strings.Contains(problems, name) || !strings.Contains(problems, "x-queue-type") {
		t.Errorf("degraded is %q", problems)
	}
	if _, err := ch.QueueDelete(name, false, false, false); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return len(r.Degraded()) == 0 }, func() any { return r.Degraded() })
	if _, err := ch.QueueDeclarePassive(name, true, false, false, false, nil); err != nil {
		t.Error(err)
	}
}

func TestANameThatIsNoQueueIsRefused(t *testing.T) {
	for _, name := range []string{
		"Told", "-Told", "lab-payments-service-", "lab payments-Told", "lab-payments-service-Told!", "lab-*", "a-b;c", "amq.gen-Told",
	} {
		for _, urls := range []string{"", "amqp://localhost"} { // Also before there is a broker.
			_, err := rabbit.Open(rabbit.Settings{URLs: urls, Queues: "lab-chat-service-Told, " + name}, quiet)
			if err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%q: error %v", name, err)
			}
		}
	}
	if _, err := rabbit.Open(rabbit.Settings{URLs: "amqp://a", Queues: " lab-chat-service-Told , ,x-Y"}, quiet); err != nil {
		t.Error(err)
	}
}
