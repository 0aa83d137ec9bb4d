package eventctl_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"parley.internal/pkg/eventctl"
	"parley.internal/pkg/testenv"
)

// metric is the value of one that is there once.
func metric(t *testing.T, from prometheus.Gatherer, name string) float64 {
	t.Helper()
	value, there := look(t, from, name)
	if !there {
		t.Fatalf("there is no metric %s", name)
	}
	return value
}

func look(t *testing.T, from prometheus.Gatherer, name string) (value float64, there bool) {
	t.Helper()
	families, err := from.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == name {
			return family.GetMetric()[0].GetGauge().GetValue(), true
		}
	}
	return 0, false
}

// What a consumer has in hand is no longer ready on the broker: only the consumer
// can tell.
func TestWhatAConsumerHasInHandIsSeen(t *testing.T) {
	h := newHouse(t, sqlite(t), testenv.RabbitMQ(t))
	h.run()
	h.tell(told{Text: "hello"})
	registry := prometheus.NewRegistry()
	registry.MustRegister(eventctl.Metrics{Service: "chat", Broker: h.broker})
	comes := func(name string, right func(float64) bool) {
		t.Helper()
		var value float64
		var there bool
		eventually(t, func() bool {
			value, there = look(t, registry, name)
			return there && right(value)
		}, func() any { return fmt.Sprintf("%s of %v, %v", name, value, there) })
	}
	comes("parley_consumer_in_hand", func(n float64) bool { return n == 1 })
	comes("parley_consumer_in_hand_bytes", func(n float64) bool { return n > 0 && n < 100 })
	if out := h.gets("lag"); !strings.Contains(out, "READY") || !strings.Contains(out, "parley_consumer_in_hand") {
		t.Errorf("lag says\n%s", out)
	}
	if out := h.gets("lag", "--json"); !strings.Contains(out, `"ready":0`) {
		t.Errorf("lag says %s", out)
	}
	close(h.broken)
	<-h.handled
	comes("parley_consumer_in_hand", func(n float64) bool { return n == 0 })
}

func TestTheLagOfABrokerThatDoesNotAnswerIsAFailure(t *testing.T) {
	h := newHouse(t, sqlite(t), "amqp://me:secret@127.0.0.1:1/")
	h.tell(told{Text: "waits"})
	for _, args := range [][]string{{"lag"}, {"lag", "--json"}} {
		out, err := h.types(args...)
		if err == nil || eventctl.ExitCode(err) != 1 || !strings.Contains(err.Error(), "127.0.0.1:1") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q answers %v", args, err)
		}
		if !strings.Contains(out, "policy") || !strings.Contains(out, "127.0.0.1:1") {
			t.Errorf("%q says %s", args, out)
		}
	}
}

func TestTheLagOfWhoWantsNoQueueTellsOfNone(t *testing.T) {
	h := newHouse(t, sqlite(t), testenv.RabbitMQ(t))
	h.Services, h.Broker.Queues = h.Services[:1], ""
	if out := h.gets("lag"); !strings.Contains(out, "policy") || strings.Contains(out, "QUEUE") || strings.Contains(out, "READY") || strings.HasSuffix(out, "\n\n") {
		t.Errorf("lag says\n%s", out)
	}
	if out := h.gets("lag", "--json"); !strings.Contains(out, `"queues":[]`) {
		t.Errorf("lag says %s", out)
	}
}
