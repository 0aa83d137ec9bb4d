package eventtest

import (
	"context"
	"sync"
	"testing"
	"time"

	"parley.internal/pkg/event"
)

// follower remembers how far a subscription has caught up, by type.
type follower struct {
	mu      sync.Mutex
	until   map[string]time.Time
	changed chan struct{} // holds one token: it was told something since the last look
}

func newFollower() *follower {
	return &follower{until: make(map[string]time.Time), changed: make(chan struct{}, 1)}
}

func (f *follower) told(eventType string, until time.Time) {
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

// wait waits until all that was published up to a moment has come.
func (f *follower) wait(t *testing.T, eventType string, at time.Time) {
	t.Helper()
	deadline := time.After(patience)
	for !f.isPast(eventType, at) {
		select {
		case <-f.changed:
		case <-deadline:
			t.Fatalf("it has not caught up with %s", eventType)
		}
	}
}

// What is in hand has not been caught up with, however long that takes. A second
// subscription tells how time passes.
func caughtUp(t *testing.T, transport Transport) {
	begun, finish := make(chan struct{}), make(chan struct{})
	var once sync.Once
	slow, clock := newFollower(), newFollower()
	subscribe(t, transport, event.Subscription{
		Name: "slow", Types: []string{"Told", "Asked"}, CaughtUp: slow.told,
		Receive: func(_ context.Context, batch []event.Message) error {
			if batch[0].Type == "Told" {
				once.Do(func() { close(begun); <-finish })
			}
			return nil
		},
	})
	subscribe(t, transport, event.Subscription{
		Name: "clock", Types: []string{"Other"}, CaughtUp: clock.told,
		Receive: func(context.Context, []event.Message) error { return nil },
	})
	slow.wait(t, "Told", time.Now()) // Nothing came.
	slow.wait(t, "Asked", time.Now())
	var wg sync.WaitGroup
	wg.Go(func() { publish(t, transport, Message("Told")) })
	select {
	case <-begun:
	case <-time.After(patience):
		t.Fatal("nothing was delivered")
	}
	since := time.Now()
	for range 3 {
		clock.wait(t, "Other", time.Now())
	}
	if slow.isPast("Told", since) {
		t.Error("it has caught up with what is still in hand")
	}
	close(finish)
	slow.wait(t, "Told", time.Now())
	slow.wait(t, "Asked", time.Now())
	wg.Wait()
}

// Traffic that never ends is caught up with all the same.
func caughtUpWithTraffic(t *testing.T, transport Transport) {
	busy := newFollower()
	subscribe(t, transport, event.Subscription{
		Name: "one", Types: []string{"Told"}, CaughtUp: busy.told,
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
