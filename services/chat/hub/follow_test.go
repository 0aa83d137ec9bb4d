package hub

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley.internal/chat"
)

// follower notes what it is told of a stream.
type follower struct {
	mu    sync.Mutex
	heard []string
	in    bool
}

func (f *follower) hear(e chat.Entry) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.heard = append(f.heard, e.Body)
	return true
}

func (f *follower) enter() { f.in = true }

// pushTo tells those who follow; it is called under the delivery's lock.
func pushTo(followers ...*follower) func(chat.Entry) {
	return func(e chat.Entry) {
		for _, f := range followers {
			if f.in {
				f.hear(e)
			}
		}
	}
}

func TestFollow(t *testing.T) {
	const s = chat.General
	bodies := func(from, to int) (all []string) {
		for i := from; i <= to; i++ {
			all = append(all, fmt.Sprint(i))
		}
		return all
	}
	tests := map[string]struct {
		do    func(l *tape, d *Delivery) chat.Cursor // what is followed from
		heard []string
		err   error
	}{
		"nothing has followed": {
			do: func(l *tape, _ *Delivery) chat.Cursor { return l.head(s) },
		},
		"some was pushed": {
			do: func(l *tape, d *Delivery) chat.Cursor {
				head := l.head(s)
				d.deliver(l.store(s, bodies(11, 20)...)...)
				return head
			},
			heard: bodies(11, 20),
		},
		"more was pushed than is remembered": {
			do: func(l *tape, d *Delivery) chat.Cursor {
				head := l.head(s)
				d.deliver(l.store(s, bodies(11, 2000)...)...)
				return head
			},
			heard: bodies(11, 2000),
		},
		"what was pushed is behind": {
			do: func(l *tape, _ *Delivery) chat.Cursor {
				l.store(s, bodies(11, 2000)...)
				return l.head(s)
			},
		},
		"a stream that is new, and behind": {
			do:    func(l *tape, _ *Delivery) chat.Cursor { return chat.Cursor{} },
			heard: nil,
		},
		"the log was set back before the position was read": {
			do: func(l *tape, _ *Delivery) chat.Cursor {
				l.setBack(s, 3)
				l.store(s, "4'", "5'")
				return l.head(s)
			},
		},
		"and has grown beyond what was pushed": {
			do: func(l *tape, d *Delivery) chat.Cursor {
				d.deliver(l.store(s, "11")...)
				l.setBack(s, 3)
				l.store(s, bodies(4, 30)...)
				return l.head(s)
			},
		},
		"the log was set back after it was read": {
			do: func(l *tape, _ *Delivery) chat.Cursor {
				head := l.head(s)
				l.store(s, "11")
				newer := l.head(s)
				l.setBack(s, 3)
				_ = head
				return newer
			},
			err: chat.ErrResync,
		},
		"and that has been noticed": {
			do: func(l *tape, d *Delivery) chat.Cursor {
				head := l.head(s)
				l.setBack(s, 3)
				if err := d.compare(t.Context()); err != nil {
					t.Error(err)
				}
				l.store(s, bodies(4, 30)...)
				return head
			},
			err: chat.ErrResync,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			l := &tape{streams: map[string][]chat.Entry{}}
			l.store(s, bodies(1, 10)...)
			d, err := NewDelivery(t.Context(), l)
			if err != nil {
				t.Fatal(err)
			}
			f := &follower{}
			d.Listen(pushTo(f), func([]string) {})
			from := tt.do(l, d)
			if name == "a stream that is new, and behind" {
				l.setBack(s, 0)
				l.store(s, bodies(1, 3)...)
				tt.heard = bodies(1, 3)
			}
			if err := d.Follow(t.Context(), s, from, f.hear, f.enter); !errors.Is(err, tt.err) || f.in != (tt.err == nil) {
				t.Fatalf("got error %v, in %t", err, f.in)
			}
			want := tt.heard
			if tt.err == nil {
				d.deliver(l.store(s, "next")...)
				want = append(want, "next")
			}
			if diff := cmp.Diff(want, f.heard); diff != "" {
				t.Errorf("heard (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhoCannotKeepUpIsBehind(t *testing.T) {
	l := &tape{streams: map[string][]chat.Entry{}}
	d, err := NewDelivery(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	d.deliver(l.store(chat.General, "1", "2")...)
	f := &follower{}
	err = d.Follow(t.Context(), chat.General, chat.Cursor{}, func(chat.Entry) bool { return false }, f.enter)
	if !errors.Is(err, errBehind) || f.in {
		t.Errorf("got error %v, in %t", err, f.in)
	}
}

// Whenever one begins to follow, from whatever was read, there is no hole and
// nothing comes twice.
func TestFollowingIsSeamless(t *testing.T) {
	const entries, followers = 3000, 50
	l := &tape{streams: map[string][]chat.Entry{}}
	d, err := NewDelivery(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	all := make([]*follower, followers)
	for i := range all {
		all[i] = &follower{}
	}
	d.Listen(pushTo(all...), func([]string) { t.Error("set back") })
	ctx, cancel := context.WithCancel(t.Context())
	var running, joining sync.WaitGroup
	running.Go(func() {
		if err := d.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	joining.Go(func() {
		for i := range entries {
			stored := l.store(chat.General, fmt.Sprint(i+1))
			if rand.IntN(10) > 0 { // the others are not told of, until somebody looks
				d.Stored(stored[0])
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
			if err := d.Follow(ctx, chat.General, head, f.hear, f.enter); err != nil {
				t.Errorf("from %d: %v", head.Sequence, err)
			}
		})
	}
	joining.Wait()
	if err := d.fill(t.Context()); err != nil {
		t.Error(err)
	}
	cancel()
	running.Wait()
	for i, f := range all {
		var want []string
		for n := from[i] + 1; n <= entries; n++ {
			want = append(want, fmt.Sprint(n))
		}
		if diff := cmp.Diff(want, f.heard); diff != "" {
			t.Fatalf("from %d (-want +got):\n%.2000s", from[i], diff)
		}
	}
}
