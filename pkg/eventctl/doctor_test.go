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

func TestTheDoctorFindsWhatIsMissingAndWhatDiffers(t *testing.T) {
	broker := testenv.RabbitMQ(t)
	h := newHouse(t, sqlite(t), broker)
	h.Broker.Queues = "lab-payments-service-Told"
	ch := testenv.Channel(t, broker)
	out, err := h.types("doctor")
	if !errors.Is(err, eventctl.ErrFound) || strings.Count(out, "missing") != 4 {
		t.Errorf("on an empty broker the doctor says %v\n%s", err, out)
	}
	if _, err := ch.QueueDeclare("lab-chat-service-Told", true, false, false, false, amqp.Table{"x-queue-type": "quorum"}); err != nil {
		t.Fatal(err)
	}
	h.declare(t)
	findings := map[string]map[string]any{}
	out, err = h.types("doctor", "--json")
	for _, f := range rows(t, out) {
		findings[fmt.Sprint(f["part"])] = f
	}
	if !errors.Is(err, eventctl.ErrFound) {
		t.Errorf("the doctor answers %v", err)
	}
	for part, state := range map[string]string{
		"exchange lab-dotnet-micro": "ok", "exchange lab-dotnet-micro-listeners": "ok",
		"queue lab-payments-service-Told": "ok", "queue lab-chat-service-Told": "different",
	} {
		if f := findings[part]; f["state"] != state {
			t.Errorf("%s is %v", part, f)
		}
	}
	if f := findings["queue lab-chat-service-Told"]; !strings.Contains(fmt.Sprint(f["detail"]), "x-queue-type") {
		t.Errorf("what differs is %v", f)
	}
	if _, err := ch.QueueDelete("lab-chat-service-Told", false, false, false); err != nil {
		t.Fatal(err)
	}
	if _, err := ch.QueueDeclare("lab-chat-service-Told", true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	if out := h.gets("doctor"); !strings.Contains(out, "nobody consumes it") {
		t.Errorf("the doctor says\n%s", out)
	}
}

// declare has a publisher declare what it declares, and ends it.
func (h *house) declare(t *testing.T) {
	t.Helper()
	transport, err := rabbit.Open(h.Broker, quiet)
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
