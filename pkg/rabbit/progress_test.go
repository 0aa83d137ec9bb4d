package rabbit_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"parley.internal/pkg/event"
	"parley.internal/pkg/event/eventtest"
	"parley.internal/pkg/rabbit"
	"parley.internal/pkg/testenv"
)

// following runs a subscription, and tells how far it has caught up.
func following(
	t *testing.T, r *rabbit.Transport, service string, receive func(context.Context, []event.Message) error,
) func() time.Time {
	t.Helper()
	var until atomic.Int64
	begin(t, r.Subscribe(event.Subscription{
		Name: service, Types: []string{"Told"}, Receive: receive,
		CaughtUp: func(_ string, at time.Time) { until.Store(at.UnixNano()) },
	}))
	return func() time.Time { return time.Unix(0, until.Load()) }
}

func take(context.Context, []event.Message) error { return nil }

// passes waits until a moment has been caught up with.
func passes(t *testing.T, until func() time.Time, at time.Time) {
	t.Helper()
	eventually(t, func() bool { return until().After(at) }, func() any { return until() })
}

// Messages that a broker does not send, because it has stopped, have not been
// caught up with. A second subscription, on another way to it, tells how time
// passes.
func TestABrokerThatIsSilentIsNotCaughtUpWith(t *testing.T) {
	broker := testenv.RabbitMQ(t)
	proxy, through := behind(t, broker)
	clock := following(t, transport(t, rabbit.Config{URLs: []string{broker}}), "clock", take)
	behindProxy := following(t, transport(t, rabbit.Config{URLs: []string{through}}), "one", take)
	passes(t, behindProxy, time.Now())
	for _, trouble := range []func(){proxy.Block, proxy.Cut} {
		trouble()
		since := time.Now()
		for range 3 {
			passes(t, clock, time.Now())
		}
		if behindProxy().After(since) {
			t.Error("it has caught up with a broker that is silent")
		}
	}
	proxy.Unblock()
	passes(t, behindProxy, time.Now())
}

// What another consumer of the same queue takes is not waited for.
func TestAQueueOfTwoConsumersIsCaughtUpWith(t *testing.T) {
	broker := testenv.RabbitMQ(t)
	r := transport(t, rabbit.Config{URLs: []string{broker}, Prefetch: 1, Queues: []string{"one-Told"}})
	for range 50 {
		publish(t, r, eventtest.Message("Told"))
	}
	one := following(t, r, "one", take)
	two := following(t, transport(t, rabbit.Config{URLs: []string{broker}, Prefetch: 1}), "one", take)
	passes(t, one, time.Now())
	passes(t, two, time.Now())
}

// What waits on the broker behind a message in hand has not been caught up with.
func TestWhatWaitsOnTheBrokerIsNotCaughtUpWith(t *testing.T) {
	broker := testenv.RabbitMQ(t)
	r := transport(t, rabbit.Config{URLs: []string{broker}, Prefetch: 1, Queues: []string{"one-Told"}})
	const n = 10
	for range n {
		publish(t, r, eventtest.Message("Told"))
	}
	published := time.Now()
	clock := following(t, r, "clock", take)
	let := make(chan struct{})
	one := following(t, r, "one", func(ctx context.Context, _ []event.Message) error {
		select {
		case <-let:
		case <-ctx.Done():
		}
		return nil
	})
	for range n {
		if passes(t, clock, time.Now()); one().After(published) {
			t.Error("it has caught up with what waits on the broker")
		}
		let <- struct{}{}
	}
	passes(t, one, published)
}

// Where there is always something in hand, time passes all the same.
func TestTrafficThatNeverEndsIsCaughtUpWith(t *testing.T) {
	r := transport(t, rabbit.Config{URLs: []string{testenv.RabbitMQ(t)}, Queues: []string{"one-Told"}})
	const inHand = 3
	taken := make(chan struct{}, 1000)
	until := following(t, r, "one", func(ctx context.Context, batch []event.Message) error {
		for range batch {
			taken <- struct{}{}
			select {
			case <-time.After(100 * time.Millisecond): // a slow handler
			case <-ctx.Done():
			}
		}
		return nil
	})
	for range inHand {
		publish(t, r, eventtest.Message("Told"))
	}
	begun := time.Now()
	for ctx := patient(t); !until().After(begun); {
		select {
		case <-taken:
			publish(t, r, eventtest.Message("Told"))
		case <-ctx.Done():
			t.Fatalf("it has not caught up since %s", time.Since(begun))
		}
	}
}
