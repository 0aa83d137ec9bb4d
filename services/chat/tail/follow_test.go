package tail_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley.internal/chat"
	"parley.internal/chat/tail"
)

// follower records the entries of a stream.
type follower struct {
	mu     sync.Mutex
	bodies []string
	joined bool // changed under the tail's lock
}

func (f *follower) send(e chat.Entry) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.bodies = append(f.bodies, e.Body)
	return true
}

func (f *follower) join() { f.joined = true }

// pushTo sends entries to the followers that have joined.
func pushTo(followers ...*follower) func(chat.Entry) {
	return func(e chat.Entry) {
		for _, f := range followers {
			if f.joined {
				f.send(e)
			}
		}
	}
}

// numbers lists the numbers of a range as bodies.
func numbers(from, to int) (all []string) {
	for i := from; i <= to; i++ {
		all = append(all, strconv.Itoa(i))
	}
	return all
}

func TestFollowerGetsEveryEntryAfterItsCursor(t *testing.T) {
	const s = chat.General
	tests := map[string]struct {
		do   func(b bubble) chat.Cursor // to follow from; ten entries are stored
		want []string
		err  error
	}{
		"no entries after the cursor": {
			do: func(b bubble) chat.Cursor { return b.head(s) },
		},
		"some entries were pushed after the cursor": {
			do: func(b bubble) chat.Cursor {
				head := b.head(s)
				b.enqueue(b.store(s, numbers(11, 20)...)...)
				return head
			},
			want: numbers(11, 20),
		},
		"more entries were pushed than are buffered": {
			do: func(b bubble) chat.Cursor {
				head := b.head(s)
				b.enqueue(b.store(s, numbers(11, 2000)...)...)
				return head
			},
			want: numbers(11, 2000),
		},
		"pushing lags behind the cursor": {
			do: func(b bubble) chat.Cursor {
				b.store(s, numbers(11, 2000)...)
				return b.head(s)
			},
		},
		"a new stream, not pushed yet": {
			do: func(b bubble) chat.Cursor {
				b.rollBack(s, 0)
				b.store(s, numbers(1, 3)...)
				return chat.Cursor{}
			},
			want: numbers(1, 3),
		},
		"rollback before the cursor was read": {
			do: func(b bubble) chat.Cursor {
				b.rollBack(s, 3)
				b.store(s, "4'", "5'")
				return b.head(s)
			},
		},
		"rollback, and growth beyond the pushed entries": {
			do: func(b bubble) chat.Cursor {
				b.enqueue(b.store(s, "11")...)
				b.rollBack(s, 3)
				b.store(s, numbers(4, 30)...)
				return b.head(s)
			},
		},
		"rollback after the cursor was read": {
			do: func(b bubble) chat.Cursor {
				b.store(s, "11")
				head := b.head(s)
				b.rollBack(s, 3)
				return head
			},
			err: chat.ErrResync,
		},
		"a rollback that was noticed": {
			do: func(b bubble) chat.Cursor {
				head := b.head(s)
				b.rollBack(s, 3)
				pass(2 * time.Second)
				b.store(s, numbers(4, 30)...)
				return head
			},
			err: chat.ErrResync,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := &follower{}
			runBubble(t, newLog(numbers(1, 10)...), tail.Subscriber{Push: pushTo(f)}, func(t *testing.T, b bubble) {
				from := tt.do(b)
				err := b.Follow(t.Context(), s, from, f.send, f.join)
				if !errors.Is(err, tt.err) || f.joined != (tt.err == nil) {
					t.Errorf("got error %v, want %v; joined: %t", err, tt.err, f.joined)
				}
				b.enqueue(b.store(s, "next")...)
			})
			want := tt.want
			if tt.err == nil {
				want = append(want, "next")
			}
			if diff := cmp.Diff(want, f.bodies); diff != "" {
				t.Errorf("sent entries (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSlowFollowerIsLagging(t *testing.T) {
	f := &follower{}
	runBubble(t, newLog(), tail.Subscriber{Push: pushTo(f)}, func(t *testing.T, b bubble) {
		b.enqueue(b.store(chat.General, "1", "2")...)
		err := b.Follow(t.Context(), chat.General, chat.Cursor{}, func(chat.Entry) bool { return false }, f.join)
		if !errors.Is(err, tail.ErrLagging) || f.joined {
			t.Errorf("got error %v, want %v; joined: %t", err, tail.ErrLagging, f.joined)
		}
	})
}

// Followers join at random cursors while the stream grows and some entries are never
// enqueued: none has a gap or a duplicate.
func TestFollowingAGrowingStreamIsSeamless(t *testing.T) {
	const entries, followers = 3000, 50
	l := newLog()
	grown, err := tail.New(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	all := make([]*follower, followers)
	for i := range all {
		all[i] = &follower{}
	}
	push, pushed := pushTo(all...), make(chan struct{})
	grown.Subscribe(tail.Subscriber{
		Push: func(e chat.Entry) {
			if push(e); e.Sequence == entries {
				close(pushed)
			}
		},
		Resync: func([]string) { t.Error("resync without a rollback") },
	})
	ctx, cancel := context.WithCancel(t.Context())
	var running, joining sync.WaitGroup
	running.Go(func() {
		if err := grown.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	joining.Go(func() {
		for i := range entries {
			stored := l.store(chat.General, strconv.Itoa(i+1))
			if rand.IntN(10) > 0 { // The others are found by a poll, or by a follower.
				grown.Enqueue(stored[0])
			}
		}
	})
	from := make([]int64, followers)
	for i, f := range all {
		joining.Go(func() {
			for l.head(chat.General).Sequence < int64(rand.IntN(entries)) {
			}
			head := l.head(chat.General)
			from[i] = head.Sequence
			if err := grown.Follow(ctx, chat.General, head, f.send, f.join); err != nil {
				t.Errorf("follow from %d: %v", head.Sequence, err)
			}
		})
	}
	joining.Wait()
	select {
	case <-pushed:
	case <-time.After(time.Minute):
		t.Error("the last entry was not pushed within a minute")
	}
	cancel()
	running.Wait()
	for i, f := range all {
		if diff := cmp.Diff(numbers(int(from[i])+1, entries), f.bodies); diff != "" {
			t.Fatalf("entries sent to a follower from %d (-want +got):\n%.2000s", from[i], diff)
		}
	}
}
