package inbox_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley.internal/pkg/database"
	"parley.internal/pkg/database/databasetest"
	"parley.internal/pkg/event"
)

func TestDuplicateTakesEffectOnce(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		in := newReceiver(t, url(t))
		in.receive(unordered("a"), unordered("a"), unordered("b"))
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() { in.receive(unordered("a"), unordered("b")) })
		}
		wg.Wait()
		in.want(t, "a", "b")
	})
}

func TestEventWithoutIDIsHandledEachTime(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		in := newReceiver(t, url(t))
		m := unordered("a")
		m.ID = ""
		in.receive(m, m)
		in.want(t, "a", "a")
	})
}

func TestFailureHarmsNoOtherEvent(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		in := newReceiver(t, url(t))
		in.failures["b"] = []error{errTransient, errTransient, errTransient}
		in.receive(unordered("a"), unordered("b"), unordered("c"))
		in.want(t, "a", "c")
		in.wantParked(t, "b retry")
		in.receive(unordered("b")) // A duplicate is not handled early.
		in.want(t, "a", "c")
		in.processAfter(time.Hour)
		in.wantParked(t, "b retry")
		in.processAfter(time.Hour)
		in.want(t, "a", "c", "b")
		in.wantParked(t)
		in.receive(unordered("b"))
		in.want(t, "a", "c", "b")
		// A failure may be counted more often than stored: a second attempt tells the
		// handler's failure from the failure of the transaction.
		got := in.Counts()
		if got.Handled != 3 || got.Duplicates < 2 || got.Failed < 2 || got.Gaps != 0 {
			t.Errorf("got counts %+v", got)
		}
	})
}

func TestPermanentErrorMakesDeadLetterWithBody(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		in := newReceiver(t, url(t))
		in.failures["b"] = []error{errPermanent, errPermanent}
		broken := event.Message{ID: "x", Type: "Sold", Data: []byte("{broken \xff")}
		in.receive(unordered("a"), broken, unordered("b"), unordered("c"))
		in.want(t, "a", "c")
		in.wantParked(t, "b dead", "x dead")
		in.processAfter(1000 * time.Hour)
		in.wantParked(t, "b dead", "x dead")
		var data []byte
		var reason string
		found, err := database.One(t.Context(), in.db.Reader(),
			"SELECT data, error FROM inbox_parked WHERE id = 'x'", nil, &data, &reason)
		if !found || err != nil || string(data) != string(broken.Data) || reason == "" {
			t.Errorf("got body %q, error %q (%v)", data, reason, err)
		}
	})
}

// PostgreSQL rejects such bytes in a text: without sanitize, the message would be
// delivered for ever and block the messages behind.
func TestInvalidHeadersBlockNoOtherEvent(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		in := newReceiver(t, url(t))
		odd := unordered("odd")
		odd.ID, odd.Source, odd.PartitionKey, odd.Sequence, odd.TraceParent = "i\x00d\xff", "\xff", "\x00", 1, "\xfe"
		in.failures["broken"] = []error{
			event.Permanent(errors.New("no amount: \x00\xff")), event.Permanent(errors.New("no amount: \x00\xff")),
		}
		in.receive(odd, unordered("broken"), unordered("next"))
		in.receive(odd)
		// Random text: PostgreSQL compresses and accepts 8,000 equal letters.
		long := unordered("long")
		for len(long.ID) < 8000 {
			long.ID += rand.Text()
		}
		long.Source, long.PartitionKey, long.TraceParent, long.Sequence = long.ID, long.ID, long.ID, 3
		in.receive(long, unordered("last"))
		in.receive(long)
		in.want(t, "odd", "next", "long", "last")
		in.wantParked(t, "broken dead")
	})
}

// A foreign publisher may use binary ids.
func TestInvalidHeadersStayDistinct(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		in := newReceiver(t, url(t))
		var batch []event.Message
		for _, number := range []string{"\x80", "\x81", "\x00", "\uFFFD"} {
			m := unordered(fmt.Sprintf("%x", number))
			m.ID, m.PartitionKey, m.Sequence = number, "P"+number, 1
			batch = append(batch, m)
		}
		in.receive(batch...)
		in.receive(batch...)
		got := column(t, in.db, "SELECT number FROM effect ORDER BY number")
		if diff := cmp.Diff([]string{"00", "80", "81", "efbfbd"}, got); diff != "" {
			t.Errorf("effects (-want +got):\n%s", diff)
		}
		if again := in.Counts().Duplicates; again != int64(len(batch)) {
			t.Errorf("got %d duplicates", again)
		}
		in.wantParked(t)
	})
}

func TestRetriesEndInDeadLetter(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		in := newReceiver(t, url(t))
		for range retryAttempts + 1 {
			in.failures["a"] = append(in.failures["a"], errTransient)
		}
		in.receive(unordered("a"))
		for range retryAttempts - 1 {
			in.wantParked(t, "a retry")
			in.processAfter(time.Hour)
		}
		in.wantParked(t, "a dead")
		in.want(t)
	})
}

func (in *receiver) run(t *testing.T, until string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := in.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	eventually(t, until, holds)
	cancel()
	wg.Wait()
}

func TestRunHandlesDueEvents(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		in := newReceiver(t, url(t))
		in.failures["a"] = []error{errTransient, errTransient}
		in.receive(unordered("a"))
		in.skip(time.Minute)
		in.run(t, "the event is handled", func() bool { return len(column(t, in.db, "SELECT number FROM effect")) > 0 })
		in.want(t, "a")
	})
}

func TestRunDeletesOnlyOldIDs(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		in := newReceiver(t, url(t))
		in.Retention = time.Hour
		in.receive(unordered("a"), unordered("b"))
		execute(t, in.db, "UPDATE inbox_event SET arrived_at = 1 WHERE id = 'a'")
		in.run(t, "an id is deleted", func() bool { return len(column(t, in.db, "SELECT id FROM inbox_event")) < 2 })
		if diff := cmp.Diff([]string{"b"}, column(t, in.db, "SELECT id FROM inbox_event")); diff != "" {
			t.Errorf("ids (-want +got):\n%s", diff)
		}
	})
}

// Two consumers of one database lock the same partitions in the same order, although
// their batches differ: a deadlock would end only after a second, by an error.
func TestConsumersOfSamePartitionsDoNotDeadlock(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		in := newReceiver(t, url(t))
		const partitions = 20
		var forth, back []event.Message
		var want []string
		for p := range partitions {
			for sequence := range int64(2) {
				m := nth(sequence + 1)
				m.PartitionKey = fmt.Sprint("P", p)
				m.ID = fmt.Sprintf("%s-%d", m.PartitionKey, m.Sequence)
				m.Data = fmt.Appendf(nil, `{"number":%q}`, m.ID)
				want = append(want, m.ID)
				if sequence == 0 {
					forth = append(forth, m)
				} else {
					back = append([]event.Message{m}, back...)
				}
			}
		}
		var wg sync.WaitGroup
		for _, batch := range [][]event.Message{forth, back} {
			wg.Go(func() { in.receive(batch...) })
		}
		wg.Wait()
		in.wantParked(t)
		got := column(t, in.db, "SELECT number FROM effect ORDER BY number")
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("effects (-want +got):\n%s", diff)
		}
	})
}

func TestPermanentErrorIsNotRetried(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		in := newReceiver(t, url(t))
		in.failures["a"] = []error{errPermanent} // A second attempt would succeed.
		in.receive(unordered("a"))
		in.want(t)
		in.wantParked(t, "a dead")
		in.failures["b"] = []error{errPermanent}
		in.receive(unordered("b"), unordered("c"))
		in.want(t, "c")
		in.wantParked(t, "a dead", "b dead")
	})
}
