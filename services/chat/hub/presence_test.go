package hub

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley.internal/chat"
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
				pass(time.Minute)
				a.disconnected(jimmy, true)
				pass(2900 * time.Millisecond)
				a.tell("still here", nil)
				pass(time.Second)
			},
			told: []string{joined, "still here", left},
		},
		"or fifteen after it broke": {
			do: func(a *attend) {
				a.in(jimmy)
				a.disconnected(jimmy, false)
				pass(14900 * time.Millisecond)
				a.tell("still here", nil)
				pass(time.Second)
			},
			told: []string{joined, "still here", left},
		},
		"who is back within that time never left": {
			do: func(a *attend) {
				a.in(jimmy)
				for range 5 {
					a.disconnected(jimmy, true)
					pass(2 * time.Second)
					a.in(jimmy)
				}
				pass(time.Minute)
			},
			told: []string{joined},
		},
		"who comes back later joins again": {
			do: func(a *attend) {
				a.in(jimmy)
				a.disconnected(jimmy, true)
				pass(time.Minute)
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
		a.presence = newPresence(most)
		a.tell = func(text string, _ *signalr.Conn) {
			mu.Lock()
			defer mu.Unlock()
			a.told = append(a.told, text)
		}
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
		pass(2 * time.Second)
		for i := range tellMost + 15 {
			a.disconnected(fmt.Sprintf("agent %d", i), true)
		}
		pass(10 * time.Second)
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

func TestPresenceIsShownInBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		p := newPresence(0)
		var shown []string
		note := func(all []chat.Presence) {
			for _, one := range all {
				shown = append(shown, fmt.Sprintf("%s %s since %s", one.Login, one.State, one.At.Sub(start)))
			}
			shown = append(shown, fmt.Sprintf("at %s", time.Since(start)))
		}
		p.show = note
		var left []chat.Presence
		p.left = func(_ context.Context, gone []chat.Presence) { left = append(left, gone...) }
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { p.run(ctx, nil) })

		p.join("jimmy", time.Now())
		p.join("jimmy", time.Now())
		told := p.here()
		pass(1100 * time.Millisecond)
		p.join("danny", time.Now())
		p.follow(told, note) // Who was told before danny came hears of him, and again with all.
		p.disconnected("jimmy", true)
		p.disconnected("jimmy", true)
		pass(10 * time.Second)
		p.follow(told, note)
		cancel()
		wg.Wait()
		want := []string{
			"jimmy online since 0s", "at 250ms",
			"danny online since 1.1s", "at 1.1s",
			"danny online since 1.1s", "at 1.25s",
			"jimmy offline since 1.1s", "at 4.25s",
			"jimmy offline since 11.1s", "danny online since 1.1s", "at 11.1s",
		}
		if diff := cmp.Diff(want, shown); diff != "" {
			t.Errorf("shown (-want +got):\n%s", diff)
		}
		if len(left) != 1 || left[0].Login != "jimmy" || left[0].At.Sub(start) != 1100*time.Millisecond {
			t.Errorf("%+v have left", left)
		}
		if at, here := p.since("danny"); !here || at.Sub(start) != 1100*time.Millisecond {
			t.Errorf("danny is here: %t, since %s", here, at)
		}
	})
}

// pass lets time pass on a bubble's clock. Nobody waits for it in earnest.
func pass(d time.Duration) { <-time.After(d) }
