package eventctl_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"parley.internal/pkg/eventctl"
	"parley.internal/pkg/rabbit"
	"parley.internal/pkg/testenv"
)

// metric returns the value of a gauge with one series.
func metric(t *testing.T, from prometheus.Gatherer, name string) float64 {
	t.Helper()
	value, ok := lookUp(t, from, name)
	if !ok {
		t.Fatalf("metric %s is missing", name)
	}
	return value
}

func lookUp(t *testing.T, from prometheus.Gatherer, name string) (value float64, ok bool) {
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

// An unacked message is not ready on the broker, so only the consumer's metrics
// show it.
func TestUnackedMessagesAreReported(t *testing.T) {
	f := newFixture(t, sqlite(t), testenv.RabbitMQ(t))
	f.start()
	f.write(greeted{Text: "hello"})
	registry := prometheus.NewRegistry()
	registry.MustRegister(rabbit.NewCollector("chat", f.broker...))
	wait := func(name string, condition func(float64) bool) {
		t.Helper()
		var value float64
		var ok bool
		eventually(t, func() bool {
			value, ok = lookUp(t, registry, name)
			return ok && condition(value)
		}, func() string { return fmt.Sprintf("metric %s is %v (present: %v)", name, value, ok) })
	}
	wait("parley_consumer_unacked_messages", func(n float64) bool { return n == 1 })
	wait("parley_consumer_unacked_bytes", func(n float64) bool { return n > 0 && n < 100 })
	if out := f.output("lag"); !strings.Contains(out, "READY") || !strings.Contains(out, "parley_consumer_unacked_messages") {
		t.Errorf("lag prints\n%s", out)
	}
	if out := f.output("lag", "--json"); !strings.Contains(out, `"ready":0`) {
		t.Errorf("lag prints %s", out)
	}
	close(f.results)
	<-f.handled
	wait("parley_consumer_unacked_messages", func(n float64) bool { return n == 0 })
}

func TestLagFailsWithoutAnswerOfBroker(t *testing.T) {
	f := newFixture(t, sqlite(t), "amqp://me:secret@127.0.0.1:1/")
	f.write(greeted{Text: "body"})
	for _, args := range [][]string{{"lag"}, {"lag", "--json"}} {
		out, err := f.command(args...)
		if err == nil || eventctl.ExitCode(err) != 1 || !strings.Contains(err.Error(), "127.0.0.1:1") || strings.Contains(err.Error(), "secret") {
			t.Errorf("got error %v from events %q, want the address without its password", err, args)
		}
		if !strings.Contains(out, "policy") || !strings.Contains(out, "127.0.0.1:1") {
			t.Errorf("events %q prints %s, want the outbox and the problem", args, out)
		}
	}
}

func TestLagWithoutQueues(t *testing.T) {
	f := newFixture(t, sqlite(t), testenv.RabbitMQ(t))
	f.Services, f.Broker.Queues = f.Services[:1], ""
	if out := f.output("lag"); !strings.Contains(out, "policy") || strings.Contains(out, "QUEUE") || strings.Contains(out, "READY") || strings.HasSuffix(out, "\n\n") {
		t.Errorf("lag prints\n%s", out)
	}
	if out := f.output("lag", "--json"); !strings.Contains(out, `"queues":[]`) {
		t.Errorf("lag prints %s", out)
	}
}
