package rabbit_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"parley.internal/pkg/event/eventtest"
	"parley.internal/pkg/rabbit"
	"parley.internal/pkg/testenv"
)

func TestCollectorExportsRoles(t *testing.T) {
	tr := start(t, rabbit.Config{URLs: testenv.RabbitMQ(t)})
	in, _ := subscribe(t, tr, "one", "Created")
	publish(t, tr, eventtest.Message("Created"))
	in.next(t)
	eventually(t, func() bool { return tr.consumer.Unacked()[0].Messages == 0 }, func() any { return tr.consumer.Unacked() })

	registry := prometheus.NewRegistry()
	registry.MustRegister(rabbit.NewCollector("policy", tr.publisher), rabbit.NewCollector("chat", tr.consumer))
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range families {
		for _, m := range f.GetMetric() {
			labels := m.GetLabel() // sorted by name: connection or queue, service
			got = append(got, fmt.Sprint(f.GetName(), " ", labels[0].GetValue(), " ", labels[1].GetValue(), " ",
				m.GetGauge().GetValue()+m.GetCounter().GetValue()))
		}
	}
	want := []string{
		"parley_broker_connection_blocked one chat 0",
		"parley_broker_connection_blocked publishing policy 0",
		"parley_broker_connection_up one chat 1",
		"parley_broker_connection_up publishing policy 1",
		"parley_broker_connections_opened_total one chat 1",
		"parley_broker_connections_opened_total publishing policy 1",
		"parley_consumer_unacked_bytes one-Created chat 0",
		"parley_consumer_unacked_messages one-Created chat 0",
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
}
