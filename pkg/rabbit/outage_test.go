package rabbit_test

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"parley.internal/pkg/event"
	"parley.internal/pkg/event/eventtest"
	"parley.internal/pkg/rabbit"
	"parley.internal/pkg/testenv"
)

// flows measures how long it takes until a message published now arrives.
func flows(t *testing.T, r *rabbit.Transport, got received) time.Duration {
	t.Helper()
	begun := time.Now()
	m := eventtest.Message("Told")
	publish(t, r, m)
	for got.next(t).ID != m.ID {
	}
	return time.Since(begun)
}

// A wait that has grown long must not add to an outage that is over.
func TestEventsFlowAtOnceWhenTheBrokerAnswersAgain(t *testing.T) {
	broker := testenv.StartRabbitMQ(t)
	r := transport(t, rabbit.Config{URLs: []string{broker.URL()}})
	got, _ := subscribe(t, r, "one", "Told")
	flows(t, r, got)
	broker.Sync()
	broker.Kill()
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second) // Meanwhile the waits grow to five seconds.
	defer cancel()
	<-ctx.Done()
	broker.Start()
	if took := flows(t, r, got); took > time.Second {
		t.Errorf("after the broker answered it took %v", took)
	}
}

func TestEventsFlowAtOnceWhenAFrozenBrokerGoesOn(t *testing.T) {
	broker := testenv.StartRabbitMQ(t)
	broker.Freeze()
	r := transport(t, rabbit.Config{URLs: []string{broker.URL()}})
	got, _ := subscribe(t, r, "one", "Told")
	// Longer than a session may take to begin: its connection is given up.
	ctx, cancel := context.WithTimeout(t.Context(), 11*time.Second)
	defer cancel()
	<-ctx.Done()
	broker.Thaw()
	if took := flows(t, r, got); took > time.Second {
		t.Errorf("after the broker went on it took %v", took)
	}
}

func TestEventsFlowSoonAfterTheLeaderOfAClusterWasKilled(t *testing.T) {
	brokers := testenv.StartCluster(t, 3)
	var urls []string
	for _, b := range brokers {
		urls = append(urls, b.URL())
	}
	r := transport(t, rabbit.Config{URLs: urls, QueueType: rabbit.Quorum})
	got, _ := subscribe(t, r, "one", "Told")
	flows(t, r, got)
	settle, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond) // See testenv.StartCluster.
	defer cancel()
	<-settle.Done()
	// It was declared through the first node, which therefore leads it.
	pid := brokers[0].PID()
	brokers[0].Kill()
	if took := flows(t, r, got); took > 2*time.Second {
		t.Errorf("after the leader was killed it took %v", took)
	}
	brokers[0].Start()
	if brokers[0].PID() == pid {
		t.Error("the leader was not killed")
	}
}

// takes fails the test if something takes longer than it should.
func takes(t *testing.T, most time.Duration, what string, do func()) {
	t.Helper()
	begun := time.Now()
	do()
	if took := time.Since(begun); took > most {
		t.Errorf("%s took %v", what, took)
	}
}

func TestNobodyWaitsLongForAFrozenBrokerAtTheEnd(t *testing.T) {
	broker := testenv.StartRabbitMQ(t)
	r, err := rabbit.New(rabbit.Config{URLs: []string{broker.URL()}, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	stopPublishing := begin(t, r.Run)
	got, stopConsuming := subscribe(t, r, "one", "Told")
	flows(t, r, got)
	broker.Freeze()
	defer broker.Thaw()
	// One starts now: its handshake hangs.
	_, stopLate := subscribe(t, r, "two", "Told")
	var published []error
	var publishing sync.WaitGroup
	publishing.Go(func() { published = r.Publish(t.Context(), []event.Message{eventtest.Message("Told")}) })
	stalls, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	<-stalls.Done()
	const most = 2 * time.Second
	takes(t, most, "the end of a consumer", stopConsuming)
	takes(t, most, "the end of one that begins", stopLate)
	takes(t, most, "the end of the publisher", stopPublishing)
	takes(t, most, "the end of what was being published", publishing.Wait)
	if published[0] == nil {
		t.Error("a frozen broker has taken a message")
	}
	takes(t, most, "publishing after the end", func() {
		if err := r.Publish(t.Context(), []event.Message{eventtest.Message("Told")})[0]; err == nil {
			t.Error("it was taken after the end")
		}
	})
}

func TestABrokerThatDoesNotAnswerIsSaidToDoSo(t *testing.T) {
	silent, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0") // The system accepts for it.
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() })
	r, err := rabbit.New(rabbit.Config{URLs: []string{"amqp://" + silent.Addr().String()}, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Inspect(patient(t)); err == nil || !strings.Contains(err.Error(), "did not answer in 10s") ||
		!strings.Contains(err.Error(), silent.Addr().String()) || strings.Contains(err.Error(), "closed") {
		t.Errorf("it is said that %v", err)
	}
}
