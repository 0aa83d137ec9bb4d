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

// follow runs a subscription, and returns the moment up to which it is caught up.
func follow(
	t *testing.T, tr transport, service string, receive func(context.Context, []event.Message) error,
) (caughtUp func() time.Time) {
	t.Helper()
	var until atomic.Int64
	run(t, tr.Subscribe(event.Subscription{
		Name: service, Types: []string{"Created"}, Receive: receive,
		CaughtUp: func(_ string, at time.Time) { until.Store(at.UnixNano()) },
	}))
	return func() time.Time { return time.Unix(0, until.Load()) }
}

func accept(context.Context, []event.Message) error { return nil }

// awaitCaughtUp waits until a subscription is caught up to a moment.
func awaitCaughtUp(t *testing.T, caughtUp func() time.Time, at time.Time) {
	t.Helper()
	eventually(t, func() bool { return caughtUp().After(at) }, func() any { return caughtUp() })
}

// A second subscription, over another connection, proves that time has passed.
func TestSilentBrokerIsNotCaughtUp(t *testing.T) {
	broker := testenv.RabbitMQ(t)
	proxy, url := proxied(t, broker)
	clock := follow(t, start(t, rabbit.Config{URLs: broker}), "clock", accept)
	cut := follow(t, start(t, rabbit.Config{URLs: url}), "one", accept)
	awaitCaughtUp(t, cut, time.Now())
	for _, fail := range []func(){proxy.Block, proxy.Cut} {
		fail()
		since := time.Now()
		for range 3 {
			awaitCaughtUp(t, clock, time.Now())
		}
		if cut().After(since) {
			t.Error("the subscription is caught up with a silent broker")
		}
	}
	proxy.Unblock()
	awaitCaughtUp(t, cut, time.Now())
}

// A consumer does not wait for messages that another consumer of the same queue received.
func TestSharedQueueIsCaughtUp(t *testing.T) {
	broker := testenv.RabbitMQ(t)
	tr := start(t, rabbit.Config{URLs: broker, Prefetch: 1, Queues: "one-Created"})
	for range 50 {
		publish(t, tr, eventtest.Message("Created"))
	}
	one := follow(t, tr, "one", accept)
	two := follow(t, start(t, rabbit.Config{URLs: broker, Prefetch: 1}), "one", accept)
	awaitCaughtUp(t, one, time.Now())
	awaitCaughtUp(t, two, time.Now())
}

// Messages wait on the broker behind an unacked message.
func TestWaitingMessagesAreNotCaughtUp(t *testing.T) {
	tr := start(t, rabbit.Config{URLs: testenv.RabbitMQ(t), Prefetch: 1, Queues: "one-Created"})
	const total = 10
	for range total {
		publish(t, tr, eventtest.Message("Created"))
	}
	published := time.Now()
	clock := follow(t, tr, "clock", accept)
	next := make(chan struct{})
	one := follow(t, tr, "one", func(ctx context.Context, _ []event.Message) error {
		select {
		case <-next:
		case <-ctx.Done():
		}
		return nil
	})
	for range total {
		if awaitCaughtUp(t, clock, time.Now()); one().After(published) {
			t.Error("the subscription is caught up before messages waiting on the broker")
		}
		next <- struct{}{}
	}
	awaitCaughtUp(t, one, published)
}

// Under continuous traffic, when some message is always unacked, the moment still advances.
func TestContinuousTrafficIsCaughtUp(t *testing.T) {
	tr := start(t, rabbit.Config{URLs: testenv.RabbitMQ(t), Queues: "one-Created"})
	const unacked = 3
	handled := make(chan struct{}, 1000)
	caughtUp := follow(t, tr, "one", func(ctx context.Context, batch []event.Message) error {
		for range batch {
			handled <- struct{}{}
			select {
			case <-time.After(100 * time.Millisecond): // a slow handler
			case <-ctx.Done():
			}
		}
		return nil
	})
	for range unacked {
		publish(t, tr, eventtest.Message("Created"))
	}
	begun := time.Now()
	for ctx := withPatience(t); !caughtUp().After(begun); {
		select {
		case <-handled:
			publish(t, tr, eventtest.Message("Created"))
		case <-ctx.Done():
			t.Fatalf("the subscription is not caught up after %s", time.Since(begun))
		}
	}
}
