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

// fakeConnections drives a presence without connections.
type fakeConnections struct {
	*presence

	texts []string
}

func (f *fakeConnections) connect(login string) bool {
	text, admitted := f.connected(login, time.Now())
	if text != "" {
		f.broadcastText(text, nil)
	}
	return admitted
}

func TestPresenceAnnouncesAgents(t *testing.T) {
	const jimmy = "jimmy.solid"
	joined, left := jimmy+" join chat", jimmy+" left chat"
	tests := map[string]struct {
		do    func(f *fakeConnections)
		texts []string
	}{
		"online with the first connection": {
			do:    func(f *fakeConnections) { f.connect(jimmy); f.connect(jimmy); f.connect("danny") },
			texts: []string{joined, "danny join chat"},
		},
		"offline three seconds after the last clean close": {
			do: func(f *fakeConnections) {
				f.connect(jimmy)
				f.connect(jimmy)
				f.disconnected(jimmy, false)
				pass(time.Minute)
				f.disconnected(jimmy, true)
				pass(2900 * time.Millisecond)
				f.broadcastText("2.9 seconds", nil)
				pass(time.Second)
			},
			texts: []string{joined, "2.9 seconds", left},
		},
		"offline fifteen seconds after a broken connection": {
			do: func(f *fakeConnections) {
				f.connect(jimmy)
				f.disconnected(jimmy, false)
				pass(14900 * time.Millisecond)
				f.broadcastText("14.9 seconds", nil)
				pass(time.Second)
			},
			texts: []string{joined, "14.9 seconds", left},
		},
		"a quick reconnect is not announced": {
			do: func(f *fakeConnections) {
				f.connect(jimmy)
				for range 5 {
					f.disconnected(jimmy, true)
					pass(2 * time.Second)
					f.connect(jimmy)
				}
				pass(time.Minute)
			},
			texts: []string{joined},
		},
		"a late reconnect is announced": {
			do: func(f *fakeConnections) {
				f.connect(jimmy)
				f.disconnected(jimmy, true)
				pass(time.Minute)
				f.connect(jimmy)
			},
			texts: []string{joined, left, joined},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { wantTexts(t, 0, tt.do, tt.texts) })
	}
}

// wantTexts runs a presence while do runs, and compares the announced texts.
func wantTexts(t *testing.T, maxConnections int, do func(f *fakeConnections), want []string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := &fakeConnections{}
		var mu sync.Mutex
		f.presence = newPresence(maxConnections)
		f.broadcastText = func(text string, _ *signalr.Conn) {
			mu.Lock()
			defer mu.Unlock()
			f.texts = append(f.texts, text)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { f.run(ctx, nil) })
		do(f)
		synctest.Wait()
		cancel()
		running.Wait()
		if diff := cmp.Diff(want, f.texts); diff != "" {
			t.Errorf("announced texts (-want +got):\n%s", diff)
		}
	})
}

func TestBurstOfPresenceTextsIsFolded(t *testing.T) {
	const agents = maxTextRate + 15
	var want []string
	for i := range maxTextRate {
		want = append(want, fmt.Sprintf("agent %d join chat", i))
	}
	want = append(want, "15 more agents join chat")
	for range maxTextRate {
		want = append(want, "some agent left chat")
	}
	want = append(want, "15 more agents left chat", "late join chat")
	wantTexts(t, 0, func(f *fakeConnections) {
		for i := range agents {
			f.connect(fmt.Sprintf("agent %d", i))
		}
		pass(2 * time.Second)
		for i := range agents {
			f.disconnected(fmt.Sprintf("agent %d", i), true)
		}
		pass(10 * time.Second)
		f.connect("late")
		synctest.Wait()
		for i, text := range f.texts { // Agents leave in no order.
			var n int
			if _, err := fmt.Sscanf(text, "agent %d left chat", &n); err == nil {
				f.texts[i] = "some agent left chat"
			}
		}
	}, want)
}

func TestConnectionsOfAnAgentAreLimited(t *testing.T) {
	wantTexts(t, 2, func(f *fakeConnections) {
		for i, want := range []bool{true, true, false} {
			if got := f.connect("jimmy"); got != want {
				t.Errorf("connection %d: admitted %t, want %t", i+1, got, want)
			}
		}
		f.disconnected("jimmy", true)
		if !f.connect("jimmy") {
			t.Error("no connection was admitted after one had ended")
		}
		if !f.connect("danny") {
			t.Error("another agent's connection was not admitted")
		}
	}, []string{"jimmy join chat", "danny join chat"})
}

func TestPresenceIsPublishedInBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		p := newPresence(0)
		var published []string
		record := func(changes []chat.Presence) {
			for _, c := range changes {
				published = append(published, fmt.Sprintf("%s %s since %s", c.Login, c.State, c.At.Sub(start)))
			}
			published = append(published, fmt.Sprintf("at %s", time.Since(start)))
		}
		p.publish = record
		var offline []chat.Presence
		p.offline = func(_ context.Context, agents []chat.Presence) { offline = append(offline, agents...) }
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { p.run(ctx, nil) })

		p.connected("jimmy", time.Now())
		p.connected("jimmy", time.Now())
		listed := p.online()
		pass(1100 * time.Millisecond)
		p.connected("danny", time.Now())
		p.follow(listed, record) // A list without danny: he is in the changes, and published again.
		p.disconnected("jimmy", true)
		p.disconnected("jimmy", true)
		pass(10 * time.Second)
		p.follow(listed, record)
		cancel()
		running.Wait()
		want := []string{
			"jimmy online since 0s", "at 250ms",
			"danny online since 1.1s", "at 1.1s",
			"danny online since 1.1s", "at 1.25s",
			"jimmy offline since 1.1s", "at 4.25s",
			"jimmy offline since 11.1s", "danny online since 1.1s", "at 11.1s",
		}
		if diff := cmp.Diff(want, published); diff != "" {
			t.Errorf("published changes (-want +got):\n%s", diff)
		}
		if len(offline) != 1 || offline[0].Login != "jimmy" || offline[0].At.Sub(start) != 1100*time.Millisecond {
			t.Errorf("agents who went offline: got %+v, want jimmy at 1.1s", offline)
		}
		if at, online := p.onlineSince("danny"); !online || at.Sub(start) != 1100*time.Millisecond {
			t.Errorf("danny: online %t since %s, want since 1.1s", online, at.Sub(start))
		}
	})
}

// pass lets time pass on a synctest bubble's clock.
func pass(d time.Duration) { <-time.After(d) }
