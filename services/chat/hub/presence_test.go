package hub

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley.internal/pkg/signalr"
)

// attend drives a presence without sockets.
type attend struct {
	*presence

	told []string
}

func (a *attend) in(login string) bool {
	text, ok := a.join(login, time.Now())
	if text != "" {
		a.tell(text, nil)
	}
	return ok
}

func TestPresence(t *testing.T) {
	const jimmy = "jimmy.solid"
	joined, left := jimmy+" join chat", jimmy+" left chat"
	tests := map[string]struct {
		do   func(a *attend)
		told []string
	}{
		"an agent joins with the first socket": {
			do:   func(a *attend) { a.in(jimmy); a.in(jimmy); a.in("danny") },
			told: []string{joined, "danny join chat"},
		},
		"and leaves three seconds after the last one closed": {
			do: func(a *attend) {
				a.in(jimmy)
				a.in(jimmy)
				a.disconnected(jimmy, false)
				time.Sleep(time.Minute)
				a.disconnected(jimmy, true)
				time.Sleep(2900 * time.Millisecond)
				a.tell("still here", nil)
				time.Sleep(time.Second)
			},
			told: []string{joined, "still here", left},
		},
		"or fifteen after it broke": {
			do: func(a *attend) {
				a.in(jimmy)
				a.disconnected(jimmy, false)
				time.Sleep(14900 * time.Millisecond)
				a.tell("still here", nil)
				time.Sleep(time.Second)
			},
			told: []string{joined, "still here", left},
		},
		"who is back within that time never left": {
			do: func(a *attend) {
				a.in(jimmy)
				for range 5 {
					a.disconnected(jimmy, true)
					time.Sleep(2 * time.Second)
					a.in(jimmy)
				}
				time.Sleep(time.Minute)
			},
			told: []string{joined},
		},
		"who comes back later joins again": {
			do: func(a *attend) {
				a.in(jimmy)
				a.disconnected(jimmy, true)
				time.Sleep(time.Minute)
				a.in(jimmy)
			},
			told: []string{joined, left, joined},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { present(t, 0, tt.do, tt.told) })
	}
}

// present runs a presence for as long as do takes.
func present(t *testing.T, most int, do func(a *attend), told []string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		a := &attend{}
		var mu sync.Mutex
		a.presence = newPresence(most, func(text string, _ *signalr.Conn) {
			mu.Lock()
			defer mu.Unlock()
			a.told = append(a.told, text)
		})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { a.run(ctx, nil) })
		do(a)
		synctest.Wait()
		cancel()
		wg.Wait()
		if diff := cmp.Diff(told, a.told); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
	})
}

func TestABurstIsFolded(t *testing.T) {
	var told []string
	for i := range tellMost {
		told = append(told, fmt.Sprintf("agent %d join chat", i))
	}
	told = append(told, "15 more agents join chat")
	for range tellMost {
		told = append(told, "somebody left chat")
	}
	told = append(told, "15 more agents left chat", "late join chat")
	somebody := func(texts []string) []string { // A map has no order.
		for i, text := range texts {
			var n int
			if _, err := fmt.Sscanf(text, "agent %d left chat", &n); err == nil {
				texts[i] = "somebody left chat"
			}
		}
		return texts
	}
	present(t, 0, func(a *attend) {
		for i := range tellMost + 15 {
			a.in(fmt.Sprintf("agent %d", i))
		}
		time.Sleep(2 * time.Second)
		for i := range tellMost + 15 {
			a.disconnected(fmt.Sprintf("agent %d", i), true)
		}
		time.Sleep(10 * time.Second)
		a.in("late")
		synctest.Wait()
		a.told = somebody(a.told)
	}, told)
}

func TestAnAgentHasSoManySockets(t *testing.T) {
	present(t, 2, func(a *attend) {
		for i, want := range []bool{true, true, false} {
			if got := a.in("jimmy"); got != want {
				t.Errorf("socket %d was let in: %t", i+1, got)
			}
		}
		a.disconnected("jimmy", true)
		if !a.in("jimmy") {
			t.Error("after one had ended no other was let in")
		}
		if !a.in("danny") {
			t.Error("another agent was not let in")
		}
	}, []string{"jimmy join chat", "danny join chat"})
}
