package inbox_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"parley.internal/pkg/database"
	"parley.internal/pkg/database/databasetest"
	"parley.internal/pkg/event"
	"parley.internal/pkg/event/archive"
)

// trials are the results of the first calls of the handler for each event.
type trials struct {
	mu   sync.Mutex
	left map[string][]string
}

func (tr *trials) next(number string) string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	left := tr.left[number]
	if len(left) == 0 {
		return "succeed"
	}
	tr.left[number] = left[1:]
	return left[0]
}

// tell records an event as the nth of its partition, and then may fail.
func (tr *trials) handle(ctx context.Context, tx *database.Tx, number string) error {
	partition, _, _ := strings.Cut(number, "-")
	_, err := tx.ExecContext(ctx, `INSERT INTO effect (position, number)
		SELECT count(*), CAST($1 AS text) FROM effect WHERE number LIKE CAST($2 AS text)`, number, partition+"-%")
	if err != nil {
		return err
	}
	switch tr.next(number) {
	case "fail":
		return errTransient
	case "panic":
		panic("a bug")
	case "break the statement":
		_, err = tx.ExecContext(ctx, "INSERT INTO effect (position, number) VALUES (NULL, 'never')")
		if err == nil {
			return nil
		}
		return errors.New(err.Error()) // A handler may hide the type of an error.
	default:
		return nil
	}
}

// Each event takes effect once and in order, although events arrive twice, late, out of
// order and in other processes, and handlers fail.
func TestEventsTakeEffectOnceAndInOrder(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		address := url(t)
		dbs := []*database.DB{open(t, address), connect(t, address)}
		run := 0
		rapid.Check(t, func(rt *rapid.T) {
			run++
			tr := &trials{left: make(map[string][]string)}
			events, want := anyEvents(rt, tr, run)
			var inboxes []*receiver
			shared := &clock{}
			for _, db := range dbs {
				in := handlingFor(t, db, fmt.Sprint("consumer", run), func(ctx context.Context, tx *database.Tx, e sold) error {
					return tr.handle(ctx, tx, e.Number)
				})
				in.clock, in.Now = shared, shared.now
				in.Workers = rapid.IntRange(1, 4).Draw(rt, "workers")
				inboxes = append(inboxes, in)
			}
			var both sync.WaitGroup
			for _, in := range inboxes {
				batches := anyBatches(rt, events)
				both.Go(func() { deliver(t, in, batches) })
			}
			both.Wait()
			settleAll(t, inboxes[0])
			got := column(t, dbs[0], fmt.Sprintf(
				"SELECT number FROM effect WHERE number LIKE 'run%d.%%' ORDER BY substr(number, 1, length(number) - 3), position", run))
			if diff := cmp.Diff(want, got); diff != "" {
				rt.Fatalf("effects (-want +got):\n%s", diff)
			}
		})
	})
}

// anyEvents returns events of several partitions, and their effects.
func anyEvents(rt *rapid.T, tr *trials, run int) (events []event.Message, want []string) {
	outcome := rapid.SampledFrom([]string{"fail", "panic", "break the statement"})
	for p := range rapid.IntRange(1, 4).Draw(rt, "partitions") {
		for n := range rapid.IntRange(1, 8).Draw(rt, "events") {
			m := of(fmt.Sprintf("run%d.%d", run, p), int64(n)+1)
			m.ID = fmt.Sprintf("run%d.%d-%02d", run, p, n+1)
			m.Data = fmt.Appendf(nil, `{"number":%q}`, m.ID)
			events, want = append(events, m), append(want, m.ID)
			tr.left[m.ID] = rapid.SliceOfN(outcome, 0, 3).Draw(rt, "outcomes")
		}
	}
	return events, want
}

// anyBatches returns batches of all events in any order, some events twice.
func anyBatches(rt *rapid.T, events []event.Message) [][]event.Message {
	all := slices.Concat(events, rapid.SliceOfN(rapid.SampledFrom(events), 0, 5).Draw(rt, "copies"))
	all = rapid.Permutation(all).Draw(rt, "order")
	var batches [][]event.Message
	for len(all) > 0 {
		n := rapid.IntRange(1, min(len(all), 20)).Draw(rt, "batch")
		batches = append(batches, all[:n])
		all = all[n:]
	}
	return batches
}

// soon is a time after which retries are due and gaps are not.
const soon = gapTimeout - 10*time.Second

// deliver delivers like a transport: a batch is delivered again after an error.
func deliver(t *testing.T, in *receiver, batches [][]event.Message) {
	for _, batch := range batches {
		for err := errors.New("not yet"); err != nil && t.Context().Err() == nil; {
			err = in.Receive(t.Context(), batch)
		}
		in.skipAndProcess(soon)
	}
}

// settleAll retries until nothing is parked.
func settleAll(t *testing.T, in *receiver) {
	t.Helper()
	for range 100 {
		in.skipAndProcess(soon)
		left, err := in.List(t.Context(), archive.Filter{})
		if err != nil {
			t.Fatal(err)
		}
		if len(left) == 0 {
			return
		}
	}
	t.Error("some events stay parked")
}
