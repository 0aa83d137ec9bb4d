package eventtest

import (
	"context"
	"sync"
	"testing"
	"time"

	"parley.internal/pkg/event"
)

// follower records how far a subscription has caught up, by type.
type follower struct {
	mu      sync.Mutex
	until   map[string]time.Time
	changed chan struct{} // holds a single token: CaughtUp was called since the last check
}

func newFollower() *follower {
	return &follower{until: make(map[string]time.Time), changed: make(chan struct{}, 1)}
}

func (f *follower) record(eventType string, until time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.until[eventType] = until
	select {
	case f.changed <- struct{}{}:
	default:
	}
}

func (f *follower) isPast(eventType string, at time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.until[eventType].After(at)
}

// wait waits until all events published before a moment have arrived.
func (f *follower) wait(t *testing.T, eventType string, at time.Time) {
	t.Helper()
	deadline := time.After(timeout)
	for !f.isPast(eventType, at) {
		select {
		case <-f.changed:
		case <-deadline:
			t.Fatalf("the subscription has not caught up with %s", eventType)
		}
	}
}

// A subscription has not caught up with a batch in progress. A second subscription shows
// the passage of time.
func caughtUp(t *testing.T, transport Transport) {
	begun, finish := make(chan struct{}), make(chan struct{})
	var once sync.Once
	slow, clock := newFollower(), newFollower()
	subscribe(t, transport, event.Subscription{
		Name: "slow", Types: []string{"Told", "Asked"}, CaughtUp: slow.record,
		Receive: func(_ context.Context, batch []event.Message) error {
			if batch[0].Type == "Told" {
				once.Do(func() { close(begun); <-finish })
			}
			return nil
		},
	})
	subscribe(t, transport, event.Subscription{
		Name: "clock", Types: []string{"Other"}, CaughtUp: clock.record,
		Receive: func(context.Context, []event.Message) error { return nil },
	})
	slow.wait(t, "Told", time.Now()) // No message arrived.
	slow.wait(t, "Asked", time.Now())
	var wg sync.WaitGroup
	wg.Go(func() { publish(t, transport, Message("Told")) })
	select {
	case <-begun:
	case <-time.After(timeout):
		t.Fatal("no message was delivered")
	}
	since := time.Now()
	for range 3 {
		clock.wait(t, "Other", time.Now())
	}
	if slow.isPast("Told", since) {
		t.Error("the subscription has caught up with a batch in progress")
	}
	close(finish)
	slow.wait(t, "Told", time.Now())
	slow.wait(t, "Asked", time.Now())
	wg.Wait()
}

// A subscription catches up under endless traffic, too.
func caughtUpWithTraffic(t *testing.T, transport Transport) {
	busy := newFollower()
	subscribe(t, transport, event.Subscription{
		Name: "one", Types: []string{"Told"}, CaughtUp: busy.record,
		Receive: func(ctx context.Context, _ []event.Message) error { pause(ctx); return nil },
	})
	publish(t, transport, Message("Told"))
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for batch := numbered("Told", 200); ; {
			select {
			case <-stop:
				return
			default:
				publish(t, transport, batch...)
			}
		}
	})
	defer wg.Wait()
	defer close(stop)
	for range 3 {
		busy.wait(t, "Told", time.Now())
	}
}
