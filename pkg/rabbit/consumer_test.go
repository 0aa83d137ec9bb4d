package rabbit_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"parley.internal/pkg/event"
	"parley.internal/pkg/event/eventtest"
	"parley.internal/pkg/rabbit"
	"parley.internal/pkg/testenv"
)

func TestNextBatchFillsWhileOneIsHandled(t *testing.T) {
	const maxBatch, total = 512, 1500
	tr := start(t, rabbit.Config{URLs: testenv.RabbitMQ(t), Queues: "one-Created"})
	batch := messages("Created", total)
	sizes, next := make(chan int, total), make(chan struct{})
	run(t, tr.Subscribe(event.Subscription{
		Name: "one", Types: []string{"Created"},
		Receive: func(_ context.Context, batch []event.Message) error {
			sizes <- len(batch)
			<-next
			return nil
		},
	}))
	publish(t, tr, batch[0])
	received := <-sizes
	publish(t, tr, batch[1:]...)
	elapse(t, time.Second) // The next batch arrives.
	next <- struct{}{}
	if n := <-sizes; n != maxBatch {
		t.Errorf("got a second batch of %d messages, want %d", n, maxBatch)
	}
	close(next)
	for received += maxBatch; received < total; {
		n := <-sizes
		if received += n; n > maxBatch {
			t.Errorf("got a batch of %d messages, want at most %d", n, maxBatch)
		}
	}
}

// A stopping consumer finishes its batch; other consumers get all further messages at once.
func TestStoppingConsumerRequeuesUnhandledMessages(t *testing.T) {
	const total = 3000
	url := testenv.RabbitMQ(t)
	tr := start(t, rabbit.Config{URLs: url, Queues: "one-Created"})
	batch := messages("Created", total)
	missing := map[string]bool{}
	for _, m := range batch {
		missing[m.ID] = true
	}
	started, finish := make(chan []event.Message, total), make(chan struct{})
	ctx, stop := context.WithCancel(t.Context())
	ended := run(t, func(context.Context) error {
		return tr.Subscribe(event.Subscription{
			Name: "one", Types: []string{"Created"},
			Receive: func(_ context.Context, batch []event.Message) error {
				started <- batch
				<-finish
				return nil
			},
		})(ctx)
	})
	publish(t, tr, batch...)
	handled := <-started
	stop()
	in, _ := subscribe(t, newTransport(t, rabbit.Config{URLs: url}), "one", "Created")
	// The first consumer was cancelled: messages beyond its prefetch go to the second.
	in.next(t)
	close(finish)
	ended()
	done := map[string]bool{}
	for _, m := range handled {
		done[m.ID] = true
		delete(missing, m.ID)
	}
	for n := 1; len(missing) > 1 && n < total; n++ {
		m := in.next(t)
		if done[m.ID] {
			t.Fatalf("message %s was handled and delivered again", m.ID)
		}
		delete(missing, m.ID)
	}
	if len(missing) > 1 { // in.next above took one message.
		t.Errorf("%d messages were delivered to no consumer", len(missing))
	}
}

func TestFailedBatchStaysUnacked(t *testing.T) {
	tr := start(t, rabbit.Config{URLs: testenv.RabbitMQ(t)})
	calls := make(chan int, 100)
	failures := 3
	stop := run(t, tr.Subscribe(event.Subscription{
		Name: "one", Types: []string{"Created"},
		Receive: func(_ context.Context, batch []event.Message) error {
			calls <- len(batch)
			if failures--; failures >= 0 {
				return errors.New("database unavailable")
			}
			return nil
		},
	}))
	publish(t, tr, eventtest.Message("Created"))
	for range 4 {
		select {
		case <-calls:
		case <-time.After(patience):
			t.Fatal("the batch was not received again")
		}
	}
	stop()
	// The batch was acknowledged: the next message of the queue is another.
	in, _ := subscribe(t, tr, "one", "Created")
	last := eventtest.Message("Created")
	publish(t, tr, last)
	in.expect(t, last)
}

// A failing receiver is no problem of the broker: the problem is reported until a batch succeeds,
// also during each attempt, and the connection is up all the time.
func TestReceiveErrorIsReportedUntilSuccess(t *testing.T) {
	tr := start(t, rabbit.Config{URLs: testenv.RabbitMQ(t)})
	results := make(chan error)
	run(t, tr.Subscribe(event.Subscription{
		Name: "one", Types: []string{"Created"},
		Receive: func(context.Context, []event.Message) error { return <-results },
	}))
	isUp := func() bool {
		connections := tr.consumer.Connections()
		return len(connections) == 1 && connections[0].Up
	}
	publish(t, tr, eventtest.Message("Created"))
	results <- errors.New("database unavailable")
	tr.awaitDegraded(t, "database unavailable")
	for range 3 {
		if !isUp() {
			t.Error("the connection is down between attempts")
		}
		results <- errors.New("database unavailable") // An attempt was running.
		if !tr.degradedBy("database unavailable") {
			t.Errorf("got problems %v during an attempt, want the receive error", tr.Degraded())
		}
	}
	results <- nil
	tr.awaitHealthy(t)
	if !isUp() {
		t.Error("the connection is down after success")
	}
}
