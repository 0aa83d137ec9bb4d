package hub

import (
	"context"
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
		e := chat.Entry{Stream: stream, Sequence: int64(len(l.streams[stream]) + 1), Body: body}
		l.streams[stream] = append(l.streams[stream], e)
		entries = append(entries, e)
	}
	return entries
}

func (l *tape) Heads(context.Context, time.Time) (map[string]int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.away {
		return nil, errors.New("the database is away")
	}
	heads := map[string]int64{}
	for stream, entries := range l.streams {
		heads[stream] = int64(len(entries))
	}
	return heads, nil
}

func (l *tape) After(_ context.Context, stream string, sequence int64, limit int) ([]chat.Entry, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	rest := l.streams[stream][sequence:]
	return slices.Clone(rest[:min(limit, len(rest))]), nil
}

func TestDelivery(t *testing.T) {
	const s = chat.General
	tests := map[string]struct {
		before []string
		do     func(l *tape, d *Delivery)
		pushed []string
	}{
		"what is told of is pushed at once": {
			do:     func(l *tape, d *Delivery) { told(d, l.store(s, "1", "2")...) },
			pushed: []string{"1", "2"},
		},
		"what was there before is not": {
			before: []string{"1", "2"},
			do:     func(l *tape, d *Delivery) { told(d, l.store(s, "3")...) },
			pushed: []string{"3"},
		},
		"commits that are told of in another order are pushed in theirs": {
			before: []string{"1"},
			do: func(l *tape, d *Delivery) {
				entries := l.store(s, "2", "3", "4")
				told(d, entries[2], entries[0], entries[1])
			},
			pushed: []string{"2", "3", "4"},
		},
		"what is told of twice is pushed once": {
			do: func(l *tape, d *Delivery) {
				entries := l.store(s, "1", "2")
				told(d, append(entries, entries...)...)
			},
			pushed: []string{"1", "2"},
		},
		"what nobody told of is pushed within two seconds": {
			do: func(l *tape, _ *Delivery) {
				l.store(s, "1", "2")
				time.Sleep(2 * time.Second)
			},
			pushed: []string{"1", "2"},
		},
		"a hole holds up what follows, and is filled": {
			do: func(l *tape, d *Delivery) {
				entries := l.store(s, "1", "2", "3")
				told(d, entries[0], entries[2])
				time.Sleep(2 * time.Second)
				told(d, l.store(s, "4")...)
			},
			pushed: []string{"1", "2", "3", "4"},
		},
		"a stream that is made later is pushed from its start": {
			do: func(l *tape, d *Delivery) {
				entries := l.store(chat.Own("j"), "a", "b")
				told(d, entries[1], entries[0])
			},
			pushed: []string{"a", "b"},
		},
		"a log that was set back goes on": {
			do: func(l *tape, d *Delivery) {
				told(d, l.store(s, "1", "2", "3")...)
				synctest.Wait()
				l.mu.Lock()
				l.streams[s] = l.streams[s][:1]
				l.mu.Unlock()
				time.Sleep(2 * time.Second)
				told(d, l.store(s, "again 2")...)
			},
			pushed: []string{"1", "2", "3", "again 2"},
		},
		"a database that is away delays only": {
			do: func(l *tape, _ *Delivery) {
				l.mu.Lock()
				l.away = true
				l.mu.Unlock()
				l.store(s, "1")
				time.Sleep(5 * time.Second)
				l.mu.Lock()
				l.away = false
				l.mu.Unlock()
				time.Sleep(2 * time.Second)
			},
			pushed: []string{"1"},
		},
		"a flood beyond the queue loses nothing": {
			do: func(l *tape, d *Delivery) {
				bodies := make([]string, deliveryQueue+2*fillPage)
				entries := l.store(s, bodies...)
				slices.Reverse(entries)
				told(d, entries...)
				time.Sleep(2 * time.Second)
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
				d, err := NewDelivery(t.Context(), l, func(e chat.Entry) { pushed = append(pushed, e.Body) })
				if err != nil {
					t.Fatal(err)
				}
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

func told(d *Delivery, entries ...chat.Entry) {
	for _, e := range entries {
		d.Stored(e)
	}
}
