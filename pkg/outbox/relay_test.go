package outbox_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"parley.internal/pkg/database"
	"parley.internal/pkg/database/databasetest"
	"parley.internal/pkg/event"
	"parley.internal/pkg/event/archive"
	"parley.internal/pkg/outbox"
	"parley.internal/pkg/retry"
)

// fill writes n events, each of a partition of its own.
func fill(t testing.TB, db *database.DB, o *outbox.Outbox, n int) {
	t.Helper()
	for done := 0; done < n; {
		err := db.InTx(t.Context(), func(tx *database.Tx) error {
			for range min(1000, n-done) {
				if err := o.Write(t.Context(), tx, fmt.Sprint("P-", done), sold{Number: fmt.Sprint(done)}); err != nil {
					return err
				}
				done++
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// slow is a transport that publishes on demand.
type slow struct {
	batches chan []event.Message
	let     chan struct{}
}

func (s slow) Publish(ctx context.Context, batch []event.Message) []error {
	select {
	case s.batches <- batch:
	case <-ctx.Done():
	}
	select {
	case <-s.let:
	case <-ctx.Done():
	}
	return make([]error, len(batch))
}

// While a batch is published, the next batch is read and waits.
func TestOverlappingBatchesKeepOrder(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		db := open(t, url(t))
		o := outbox.New(db, "test", quiet)
		const n = 3 * batchEvents
		fill(t, db, o, n)
		p := slow{make(chan []event.Message), make(chan struct{})}
		relay(t, o, p)
		var got []string
		for len(got) < n {
			select {
			case batch := <-p.batches:
				for _, m := range batch {
					got = append(got, strings.Trim(m.PartitionKey, "P-"))
				}
				p.let <- struct{}{}
			case <-time.After(30 * time.Second):
				t.Fatalf("got %d published events, want %d", len(got), n)
			}
		}
		for at, number := range got {
			if number != fmt.Sprint(at) {
				t.Fatalf("at position %d got event %s", at, number)
			}
		}
		eventually(t, "all events are settled", func() bool {
			return slices.Equal(column(t, db, "SELECT DISTINCT state FROM outbox_event"), []string{"sent"})
		})
	})
}

// A backlog of large events must not be read like small events: it does not fit into
// memory.
func TestBatchOfLargeEventsIsShort(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		db := open(t, url(t))
		o := outbox.New(db, "test", quiet)
		const large, n = 1 << 20, 30
		fill(t, db, o, 100)
		write(t, db, o, "P", nil, slices.Repeat([]string{strings.Repeat("x", large)}, n)...)
		fill(t, db, o, 2*batchEvents)
		p := slow{make(chan []event.Message), make(chan struct{})}
		relay(t, o, p)
		for got, longest := 0, 0; got < 100+n+2*batchEvents || longest < batchEvents; {
			select {
			case batch := <-p.batches:
				size := 0
				for _, m := range batch {
					size += len(m.Data)
				}
				if size > batchBytes+2*large {
					t.Errorf("got a batch of %d events with %d bytes", len(batch), size)
				}
				got, longest = got+len(batch), max(longest, len(batch))
				p.let <- struct{}{}
			case <-time.After(30 * time.Second):
				t.Fatalf("got %d published events, at most %d in a batch", got, longest)
			}
		}
	})
}

func eventually(t *testing.T, condition string, is func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for !is() {
		if ctx.Err() != nil {
			t.Fatalf("timed out waiting until %s", condition)
		}
		retry.Wait(ctx, 5*time.Millisecond)
	}
}

// running runs a relay until stop is called.
func running(t *testing.T, r *outbox.Relay) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := r.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	stop = func() { cancel(); wg.Wait() }
	t.Cleanup(stop)
	return stop
}

// A rejected event waits apart, visible to operators, and no other event waits for it,
// not even its successors in the partition.
func TestRejectedEventWaitsForReplay(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		db := open(t, url(t))
		o := outbox.New(db, "test", quiet)
		published := make(chan event.Message, 10)
		var larger atomic.Bool
		r := outbox.NewRelay(o, publisher(func(m event.Message) error {
			if m.Sequence == 2 && !larger.Load() {
				return fmt.Errorf("%w: too large", event.ErrRejected)
			}
			published <- m
			return nil
		}))
		running(t, r)
		write(t, db, o, "P-1", nil, "1", "2", "3")
		for _, want := range []int64{1, 3} {
			if m := receive(t, published); m.Sequence != want {
				t.Errorf("got event %d", m.Sequence)
			}
		}
		eventually(t, "the rejected event is counted", func() bool { return r.Rejected() == 1 && r.Unroutable() == 0 })
		stored, err := o.List(t.Context(), archive.Filter{States: []string{"rejected"}})
		if err != nil || len(stored) != 1 || stored[0].Sequence != 2 || !strings.Contains(stored[0].Error, "too large") {
			t.Fatalf("got rejected events %v, error %v", stored, err)
		}
		if soon := time.Until(stored[0].Due); soon < time.Minute {
			t.Errorf("got the next attempt in %s, want minutes", soon)
		}
		stats, err := o.Stats(t.Context())
		if err != nil || stats.Rejected != 1 || stats.Pending != 0 {
			t.Errorf("got stats %+v, error %v", stats, err)
		}
		// Its time comes, and nothing has changed.
		for range 2 {
			if _, err := db.Exec(t.Context(), "UPDATE outbox_event SET due_at = 0 WHERE state = 'rejected'"); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the event is retried", func() bool {
				return column(t, db, "SELECT CAST(due_at AS text) FROM outbox_event WHERE state = 'rejected'")[0] != "0"
			})
		}
		larger.Store(true)
		if replayed, err := o.ReplayRejected(t.Context(), archive.Filter{}, true); err != nil || replayed.Events != 1 || len(published) > 0 {
			t.Errorf("got dry run %+v, error %v", replayed, err)
		}
		if _, err := o.ReplayRejected(t.Context(), archive.Filter{PartitionKey: "P-1"}, false); err != nil {
			t.Fatal(err)
		}
		if m := receive(t, published); m.Sequence != 2 {
			t.Errorf("got event %d", m.Sequence)
		}
		eventually(t, "all events are sent", func() bool { return len(column(t, db, "SELECT id FROM outbox_event WHERE state = 'sent'")) == 3 })
		all, err := o.List(t.Context(), archive.Filter{})
		if err != nil || len(all) != 3 || all[1].Error != "" {
			t.Errorf("got events %v, error %v", all, err)
		}
	})
}
