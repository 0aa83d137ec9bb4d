package testenv

import (
	"errors"
	"sync"
	"testing"
)

// StartCluster starts a cluster of n nodes, n ≥ 1, in 12 seconds for three nodes.
// Quorum queues need three. A new quorum queue survives the kill of a node only
// 1.5 s after its declaration.
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
	// Sequentially: two nodes cannot join at the same time.
	for _, b := range brokers[1:] {
		b.Ctl("stop_app")
		b.Ctl("join_cluster", brokers[0].Name())
		b.Ctl("start_app")
	}
	return brokers
}
