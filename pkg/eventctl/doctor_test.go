package eventctl_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"parley.internal/pkg/event"
	"parley.internal/pkg/eventctl"
	"parley.internal/pkg/rabbit"
	"parley.internal/pkg/testenv"
)

func TestDoctorFindsMissingAndDifferentParts(t *testing.T) {
	broker := testenv.RabbitMQ(t)
	f := newFixture(t, sqlite(t), broker)
	f.Broker.Queues = "lab-payments-service-Greeted"
	ch := testenv.Channel(t, broker)
	out, err := f.command("doctor")
	if !errors.Is(err, eventctl.ErrProblem) || strings.Count(out, "missing") != 4 {
		t.Errorf("doctor on an empty broker: %v\n%s", err, out)
	}
	if _, err := ch.QueueDeclare("lab-chat-service-Greeted", true, false, false, false, amqp.Table{"x-queue-type": "quorum"}); err != nil {
		t.Fatal(err)
	}
	f.declare(t)
	findings := map[string]map[string]any{}
	out, err = f.command("doctor", "--json")
	for _, f := range rows(t, out) {
		findings[fmt.Sprint(f["part"])] = f
	}
	if !errors.Is(err, eventctl.ErrProblem) {
		t.Errorf("got error %v, want ErrProblem", err)
	}
	for part, state := range map[string]string{
		"exchange lab-dotnet-micro": "ok", "exchange lab-dotnet-micro-listeners": "ok",
		"queue lab-payments-service-Greeted": "ok", "queue lab-chat-service-Greeted": "different",
	} {
		if f := findings[part]; f["state"] != state {
			t.Errorf("got %v for %s, want state %s", f, part, state)
		}
	}
	if f := findings["queue lab-chat-service-Greeted"]; !strings.Contains(fmt.Sprint(f["detail"]), "x-queue-type") {
		t.Errorf("got finding %v, want x-queue-type in its detail", f)
	}
	if _, err := ch.QueueDelete("lab-chat-service-Greeted", false, false, false); err != nil {
		t.Fatal(err)
	}
	if _, err := ch.QueueDeclare("lab-chat-service-Greeted", true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	if out := f.output("doctor"); !strings.Contains(out, "no consumer") {
		t.Errorf("doctor prints\n%s", out)
	}
}

// declare runs a publisher until it has declared its topology.
func (f *fixture) declare(t *testing.T) {
	t.Helper()
	transport, err := rabbit.NewPublisher(f.Broker)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- transport.Run(ctx) }()
	transport.Publish(ctx, []event.Message{{ID: "x", Type: "Nothing"}})
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}
