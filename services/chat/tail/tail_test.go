package tail_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley.internal/chat"
	"parley.internal/chat/tail"
)

// bubble is a tail that runs on a synctest bubble's clock, over a log in memory.
type bubble struct {
	*memoryLog
	*tail.Tail
}

// runBubble runs a tail while do runs. Each subscriber gets its entries.
func runBubble(t *testing.T, l *memoryLog, subscriber tail.Subscriber, do func(t *testing.T, b bubble)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		followed, err := tail.New(t.Context(), l)
		if err != nil {
			t.Fatal(err)
		}
		followed.Subscribe(subscriber)
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() {
			if err := followed.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		do(t, bubble{l, followed})
		synctest.Wait()
		cancel()
		running.Wait()
	})
}

// enqueue hands over entries and waits until the tail has processed them.
func (b bubble) enqueue(entries ...chat.Entry) {
	for _, e := range entries {
		b.Enqueue(e)
	}
	synctest.Wait()
}

// pass lets time pass on the bubble's clock.
func pass(d time.Duration) { <-time.After(d) }

// flood is more than the tail's queue and a few pages of the log hold.
const flood = 10_000

func TestEntriesArePushedInSequenceOnce(t *testing.T) {
	const s = chat.General
	tests := map[string]struct {
		stored []string // before the start
		do     func(b bubble)
		pushed []string
	}{
		"enqueued entries are pushed at once": {
			do:     func(b bubble) { b.enqueue(b.store(s, "1", "2")...) },
			pushed: []string{"1", "2"},
		},
		"entries before the start are not pushed": {
			stored: []string{"1", "2"},
			do:     func(b bubble) { b.enqueue(b.store(s, "3")...) },
			pushed: []string{"3"},
		},
		"commits enqueued out of order": {
			stored: []string{"1"},
			do: func(b bubble) {
				entries := b.store(s, "2", "3", "4")
				b.enqueue(entries[2], entries[0], entries[1])
			},
			pushed: []string{"2", "3", "4"},
		},
		"duplicates are ignored": {
			do: func(b bubble) {
				entries := b.store(s, "1", "2")
				b.enqueue(append(entries, entries...)...)
			},
			pushed: []string{"1", "2"},
		},
		"entries that were never enqueued are pushed within two seconds": {
			do: func(b bubble) {
				b.store(s, "1", "2")
				pass(2 * time.Second)
			},
			pushed: []string{"1", "2"},
		},
		"a gap is filled from the log": {
			do: func(b bubble) {
				entries := b.store(s, "1", "2", "3")
				b.enqueue(entries[0], entries[2])
				pass(2 * time.Second)
				b.enqueue(b.store(s, "4")...)
			},
			pushed: []string{"1", "2", "3", "4"},
		},
		"a new stream is pushed from its first entry": {
			do: func(b bubble) {
				entries := b.store(chat.Own("j"), "a", "b")
				b.enqueue(entries[1], entries[0])
			},
			pushed: []string{"a", "b"},
		},
		"an unavailable database only delays": {
			do: func(b bubble) {
				b.setUnavailable(true)
				b.store(s, "1")
				pass(5 * time.Second)
				b.setUnavailable(false)
				pass(2 * time.Second)
			},
			pushed: []string{"1"},
		},
		"entries beyond the queue's capacity are read from the log": {
			do: func(b bubble) {
				entries := b.store(s, make([]string, flood)...)
				slices.Reverse(entries)
				b.enqueue(entries...)
				pass(2 * time.Second)
			},
			pushed: make([]string, flood),
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { wantPushed(t, tt.stored, tt.do, tt.pushed) })
	}
}

func TestRollbackOfTheLogIsNoticed(t *testing.T) {
	const s = chat.General
	tests := map[string]struct {
		stored []string // before the start
		do     func(b bubble)
		pushed []string
	}{
		"pushing continues after a rollback": {
			do: func(b bubble) {
				b.enqueue(b.store(s, "1", "2", "3")...)
				b.rollBack(s, 1)
				pass(2 * time.Second)
				b.enqueue(b.store(s, "2'")...)
			},
			pushed: []string{"1", "2", "3", "resync", "2'"},
		},
		"rollback before the first push": {
			stored: []string{"1", "2", "3"},
			do: func(b bubble) {
				b.rollBack(s, 1)
				pass(2 * time.Second)
				b.enqueue(b.store(s, "2'")...)
			},
			pushed: []string{"resync", "2'"},
		},
		"the log has grown beyond the pushed entries": {
			stored: []string{"1", "2"},
			do: func(b bubble) {
				b.enqueue(b.store(s, "3")...)
				b.rollBack(s, 1)
				b.store(s, "2'", "3'", "4'")
				pass(2 * time.Second)
				b.enqueue(b.store(s, "5'")...)
			},
			pushed: []string{"3", "resync", "5'"},
		},
		"a new entry is pushed behind the old ones": {
			stored: []string{"1", "2"},
			do: func(b bubble) {
				b.enqueue(b.store(s, "3")...)
				b.rollBack(s, 1)
				entries := b.store(s, "2'", "3'", "4'")
				b.enqueue(entries[2], entries[1])
				b.enqueue(b.store(s, "5'")...)
			},
			pushed: []string{"3", "4'", "resync", "5'"},
		},
		"only the newest entry is enqueued": {
			stored: []string{"1", "2"},
			do: func(b bubble) {
				b.enqueue(b.store(s, "3")...)
				pass(2100 * time.Millisecond)
				b.rollBack(s, 1)
				b.enqueue(b.store(s, "2'", "3'", "4'")[2])
				pass(2 * time.Second)
				b.enqueue(b.store(s, "5'")...)
			},
			pushed: []string{"3", "4'", "resync", "5'"},
		},
		"the whole stream is gone": {
			do: func(b bubble) {
				b.enqueue(b.store(chat.Own("j"), "a", "b")...)
				pass(2 * time.Second)
				b.rollBack(chat.Own("j"), 0)
				pass(2 * time.Second)
				b.enqueue(b.store(chat.Own("j"), "a'")...)
			},
			pushed: []string{"a", "b", "resync", "a'"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { wantPushed(t, tt.stored, tt.do, tt.pushed) })
	}
}

// wantPushed compares the bodies of pushed entries, and "resync" between them.
func wantPushed(t *testing.T, stored []string, do func(b bubble), want []string) {
	t.Helper()
	var pushed []string
	subscriber := tail.Subscriber{
		Push:   func(e chat.Entry) { pushed = append(pushed, e.Body) },
		Resync: func([]string) { pushed = append(pushed, "resync") },
	}
	runBubble(t, newLog(stored...), subscriber, func(_ *testing.T, b bubble) { do(b) })
	if diff := cmp.Diff(want, pushed); diff != "" {
		t.Errorf("pushed entries (-want +got):\n%s", diff)
	}
}
