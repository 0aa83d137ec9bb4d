package testenv

import (
	"errors"
	"sync"
	"testing"
)

// StartCluster starts n nodes, at least one, that are one cluster: 12 seconds for
// three of them. Quorum queues need three. After one was declared, RabbitMQ needs
// 1.5 s before it survives that a node is killed.
func StartCluster(tb testing.TB, n int) []*Broker {
	tb.Helper()
	brokers := make([]*Broker, n)
	for i := range brokers {
		brokers[i] = NewBroker(tb)
	}
	errs := make([]error, n)
	var starting sync.WaitGroup
	for i, b := range brokers {
		starting.Go(func() { errs[i] = b.process.start() })
	}
	starting.Wait()
	must(tb, errors.Join(errs...))
	// One after the other: a node cannot join while another does.
	for _, b := range brokers[1:] {
		b.Ctl("stop_app")
		b.Ctl("join_cluster", brokers[0].Name())
		b.Ctl("start_app")
	}
	return brokers
}
