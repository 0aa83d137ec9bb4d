// Package metric exports the metrics of a part of a service to Prometheus: a collector is
// a function that sends the present values to a scrape. A collector keeps no state and no
// goroutine.
package metric

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Collector exports metrics of a service to Prometheus, with the label service.
type Collector struct {
	service string
	collect func(Scrape)
}

// NewCollector returns a collector that calls collect for each scrape.
func NewCollector(service string, collect func(Scrape)) *Collector {
	return &Collector{service, collect}
}

// Describe implements prometheus.Collector. It describes nothing: a process may have
// collectors of several services, which differ by their label.
func (*Collector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(metrics chan<- prometheus.Metric) { c.collect(Scrape{c.service, metrics}) }

// Scrape sends the metrics of one scrape. The optional label of a metric is a name and a
// value.
type Scrape struct {
	service string
	metrics chan<- prometheus.Metric
}

// Gauge sends a present value.
func (s Scrape) Gauge(name, help string, value float64, label ...string) {
	s.send(prometheus.GaugeValue, name, help, value, label)
}

// Counter sends a number that only grows while the process runs.
func (s Scrape) Counter(name, help string, value int64, label ...string) {
	s.send(prometheus.CounterValue, name, help, float64(value), label)
}

// Flag sends a gauge of 1 if a condition holds, else 0.
func (s Scrape) Flag(name, help string, holds bool, label ...string) {
	value := 0.0
	if holds {
		value = 1
	}
	s.Gauge(name, help, value, label...)
}

// Age sends the seconds since a time, 0 for the zero time.
func (s Scrape) Age(name, help string, since time.Time, label ...string) {
	age := 0.0
	if !since.IsZero() {
		age = time.Since(since).Seconds()
	}
	s.Gauge(name, help, age, label...)
}

func (s Scrape) send(kind prometheus.ValueType, name, help string, value float64, label []string) {
	names, values := label[:len(label)/2], label[len(label)/2:]
	desc := prometheus.NewDesc(name, help, names, prometheus.Labels{"service": s.service})
	s.metrics <- prometheus.MustNewConstMetric(desc, kind, value, values...)
}
