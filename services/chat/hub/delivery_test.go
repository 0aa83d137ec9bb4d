package hub

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"parley.internal/chat"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tape is a log in memory.
type tape struct {
	mu      sync.Mutex
	streams map[string][]chat.Entry
	away    bool
}

func (l *tape) store(stream string, bodies ...string) (entries []chat.Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, body := range bodies {
		e := chat.Entry{Stream: stream, Sequence: int64(len(l.streams[stream]) + 1), Tag: rand.Text(), Body: body}
		l.streams[stream] = append(l.streams[stream], e)
		entries = append(entries, e)
	}
	return entries
}

// setBack leaves so many entries.
func (l *tape) setBack(stream string, to int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.streams[stream] = slices.Clone(l.streams[stream][:to])
}

func (l *tape) head(stream string) chat.Cursor {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.streams[stream]); n > 0 {
		return l.streams[stream][n-1].Cursor()
	}
	return chat.Cursor{}
}

// Heads knows no time.
func (l *tape) Heads(context.Context, time.Time) ([]chat.Head, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.away {
		return nil, errAway
	}
	var heads []chat.Head
	for stream, entries := range l.streams {
		h := chat.Head{Stream: stream}
		if n := len(entries); n > 0 {
			h.Cursor = entries[n-1].Cursor()
		}
		heads = append(heads, h)
	}
	return heads, nil
}

func (l *tape) After(_ context.Context, stream string, sequence int64, limit int) ([]chat.Entry, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := l.streams[stream]
	rest := all[min(int(sequence), len(all)):]
	return slices.Clone(rest[:min(limit, len(rest))]), nil
}

func (l *tape) Lost(_ context.Context, read chat.Cursors) (lost []string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.away {
		return nil, errAway
	}
	for stream, p := range read {
		all := l.streams[stream]
		if p.Sequence > 0 && (p.Sequence > int64(len(all)) || all[p.Sequence-1].Tag != p.Tag) {
			lost = append(lost, stream)
		}
	}
	return lost, nil
}

var errAway = errors.New("the database is away")

func TestDelivery(t *testing.T) {
	const s = chat.General
	tests := map[string]struct {
		before []string
		do     func(l *tape, d *Delivery)
		pushed []string
	}{
		"what is told of is pushed at once": {
			do:     func(l *tape, d *Delivery) { tell(d, l.store(s, "1", "2")...) },
			pushed: []string{"1", "2"},
		},
		"what was there before is not": {
			before: []string{"1", "2"},
			do:     func(l *tape, d *Delivery) { tell(d, l.store(s, "3")...) },
			pushed: []string{"3"},
		},
		"commits that are told of in another order are pushed in theirs": {
			before: []string{"1"},
			do: func(l *tape, d *Delivery) {
				entries := l.store(s, "2", "3", "4")
				tell(d, entries[2], entries[0], entries[1])
			},
			pushed: []string{"2", "3", "4"},
		},
		"what is told of twice is pushed once": {
			do: func(l *tape, d *Delivery) {
				entries := l.store(s, "1", "2")
				tell(d, append(entries, entries...)...)
			},
			pushed: []string{"1", "2"},
		},
		"what nobody told of is pushed within two seconds": {
			do: func(l *tape, _ *Delivery) {
				l.store(s, "1", "2")
				pass(2 * time.Second)
			},
			pushed: []string{"1", "2"},
		},
		"a hole holds up what follows, and is filled": {
			do: func(l *tape, d *Delivery) {
				entries := l.store(s, "1", "2", "3")
				tell(d, entries[0], entries[2])
				pass(2 * time.Second)
				tell(d, l.store(s, "4")...)
			},
			pushed: []string{"1", "2", "3", "4"},
		},
		"a stream that is made later is pushed from its start": {
			do: func(l *tape, d *Delivery) {
				entries := l.store(chat.Own("j"), "a", "b")
				tell(d, entries[1], entries[0])
			},
			pushed: []string{"a", "b"},
		},
		"a log that was set back goes on": {
			do: func(l *tape, d *Delivery) {
				tell(d, l.store(s, "1", "2", "3")...)
				synctest.Wait()
				l.setBack(s, 1)
				pass(2 * time.Second)
				tell(d, l.store(s, "again 2")...)
			},
			pushed: []string{"1", "2", "3", "set back", "again 2"},
		},
		"also if that was before anything was pushed": {
			before: []string{"1", "2", "3"},
			do: func(l *tape, d *Delivery) {
				l.setBack(s, 1)
				pass(2 * time.Second)
				tell(d, l.store(s, "again 2")...)
			},
			pushed: []string{"set back", "again 2"},
		},
		"also if it has grown beyond what was pushed": {
			before: []string{"1", "2"},
			do: func(l *tape, d *Delivery) {
				tell(d, l.store(s, "3")...)
				synctest.Wait()
				l.setBack(s, 1)
				l.store(s, "2'", "3'", "4'")
				pass(2 * time.Second)
				tell(d, l.store(s, "5'")...)
			},
			pushed: []string{"3", "set back", "5'"},
		},
		"also if one of the new entries is pushed behind the old ones": {
			before: []string{"1", "2"},
			do: func(l *tape, d *Delivery) {
				tell(d, l.store(s, "3")...)
				synctest.Wait()
				l.setBack(s, 1)
				entries := l.store(s, "2'", "3'", "4'")
				tell(d, entries[2], entries[1])
				synctest.Wait()
				tell(d, l.store(s, "5'")...)
			},
			pushed: []string{"3", "4'", "set back", "5'"},
		},
		"also if nobody tells of the others": {
			before: []string{"1", "2"},
			do: func(l *tape, d *Delivery) {
				tell(d, l.store(s, "3")...)
				pass(2100 * time.Millisecond)
				l.setBack(s, 1)
				tell(d, l.store(s, "2'", "3'", "4'")[2])
				pass(2 * time.Second)
				tell(d, l.store(s, "5'")...)
			},
			pushed: []string{"3", "4'", "set back", "5'"},
		},
		"a stream that is gone begins anew": {
			do: func(l *tape, d *Delivery) {
				tell(d, l.store(chat.Own("j"), "a", "b")...)
				pass(2 * time.Second)
				l.setBack(chat.Own("j"), 0)
				pass(2 * time.Second)
				tell(d, l.store(chat.Own("j"), "a'")...)
			},
			pushed: []string{"a", "b", "set back", "a'"},
		},
		"a database that is away delays only": {
			do: func(l *tape, _ *Delivery) {
				l.mu.Lock()
				l.away = true
				l.mu.Unlock()
				l.store(s, "1")
				pass(5 * time.Second)
				l.mu.Lock()
				l.away = false
				l.mu.Unlock()
				pass(2 * time.Second)
			},
			pushed: []string{"1"},
		},
		"a flood beyond the queue loses nothing": {
			do: func(l *tape, d *Delivery) {
				bodies := make([]string, deliveryQueue+2*fillPage)
				entries := l.store(s, bodies...)
				slices.Reverse(entries)
				tell(d, entries...)
				pass(2 * time.Second)
			},
			pushed: make([]string, deliveryQueue+2*fillPage),
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &tape{streams: map[string][]chat.Entry{}}
				l.store(s, tt.before...)
				var pushed []string
				d, err := NewDelivery(t.Context(), l)
				if err != nil {
					t.Fatal(err)
				}
				d.Listen(func(e chat.Entry) { pushed = append(pushed, e.Body) },
					func([]string) { pushed = append(pushed, "set back") })
				ctx, cancel := context.WithCancel(t.Context())
				var wg sync.WaitGroup
				wg.Go(func() {
					if err := d.Run(ctx); err != nil {
						t.Error(err)
					}
				})
				tt.do(l, d)
				synctest.Wait()
				cancel()
				wg.Wait()
				if diff := cmp.Diff(tt.pushed, pushed); diff != "" {
					t.Errorf("pushed (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func tell(d *Delivery, entries ...chat.Entry) {
	for _, e := range entries {
		d.Stored(e)
	}
}
