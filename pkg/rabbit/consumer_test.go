package rabbit_test

import (
	"context"
	"testing"
	"time"

	"parley.internal/pkg/event"
	"parley.internal/pkg/event/eventtest"
	"parley.internal/pkg/rabbit"
	"parley.internal/pkg/testenv"
)

func TestTheNextBatchGathersWhileOneIsInHand(t *testing.T) {
	const batch, many = 512, 1500
	r := transport(t, rabbit.Config{URLs: []string{testenv.RabbitMQ(t)}, Queues: []string{"one-Told"}})
	messages := make([]event.Message, many)
	for i := range messages {
		messages[i] = eventtest.Message("Told")
	}
	sizes, next := make(chan int, many), make(chan struct{})
	begin(t, r.Subscribe(event.Subscription{
		Name: "one", Types: []string{"Told"},
		Receive: func(_ context.Context, batch []event.Message) error {
			sizes <- len(batch)
			<-next
			return nil
		},
	}))
	publish(t, r, messages[0])
	got := <-sizes
	publish(t, r, messages[1:]...)
	gathers, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	<-gathers.Done()
	next <- struct{}{}
	if n := <-sizes; n != batch {
		t.Errorf("after one was in hand, %d came", n)
	}
	close(next)
	for got += batch; got < many; {
		n := <-sizes
		if got += n; n > batch {
			t.Errorf("%d came at once", n)
		}
	}
}

// A consumer that stops lets others have what it has not begun with, at once and
// without refusing anything, and finishes what it has.
func TestAConsumerThatStopsHandsOnWhatItHasNotBegun(t *testing.T) {
	const many = 3000
	url := testenv.RabbitMQ(t)
	r := transport(t, rabbit.Config{URLs: []string{url}, Queues: []string{"one-Told"}})
	messages := make([]event.Message, many)
	want := map[string]bool{}
	for i := range messages {
		messages[i] = eventtest.Message("Told")
		want[messages[i].ID] = true
	}
	begun, finish := make(chan []event.Message, many), make(chan struct{})
	ctx, stop := context.WithCancel(t.Context())
	ended := begin(t, func(context.Context) error {
		return r.Subscribe(event.Subscription{
			Name: "one", Types: []string{"Told"},
			Receive: func(_ context.Context, batch []event.Message) error {
				begun <- batch
				<-finish
				return nil
			},
		})(ctx)
	})
	publish(t, r, messages...)
	inHand := <-begun
	stop()
	other := transport(t, rabbit.Config{URLs: []string{url}})
	got, _ := subscribe(t, other, "one", "Told")
	// It was told to send no more: something of it goes past the prefetch.
	got.next(t)
	close(finish)
	ended()
	for _, m := range inHand {
		delete(want, m.ID)
	}
	for n := 1; len(want) > 1 && n < many; n++ {
		m := got.next(t)
		for _, done := range inHand {
			if done.ID == m.ID {
				t.Fatalf("%s was finished and came again", m.ID)
			}
		}
		delete(want, m.ID)
	}
	if len(want) > 1 { // One went to got.next above.
		t.Errorf("%d messages came to nobody", len(want))
	}
}
