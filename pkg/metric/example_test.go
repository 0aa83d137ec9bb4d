package metric_test

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"parley.internal/pkg/metric"
)

func ExampleNewCollector() {
	registry := prometheus.NewRegistry()
	registry.MustRegister(metric.NewCollector("policy", func(s metric.Scrape) {
		s.Flag("leader", "1 if this process publishes.", true)
		s.Counter("events_total", "Events by result.", 3, "result", "handled")
	}))
	families, err := registry.Gather()
	for _, f := range families {
		for _, m := range f.GetMetric() {
			fmt.Print(f.GetName(), " ", m.GetGauge().GetValue()+m.GetCounter().GetValue())
			for _, label := range m.GetLabel() {
				fmt.Printf(" %s=%s", label.GetName(), label.GetValue())
			}
			fmt.Println()
		}
	}
	fmt.Println(err)
	// Output:
	// events_total 3 result=handled service=policy
	// leader 1 service=policy
	// <nil>
}
