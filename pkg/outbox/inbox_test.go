package outbox

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

func TestTheSameEventTakesEffectOnce(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		in := newTold(t, url(t))
		in.receive(loose("a"), loose("a"), loose("b"))
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() { in.receive(loose("a"), loose("b")) })
		}
		wg.Wait()
		in.want("a", "b")
	})
}

func TestAnEventWithoutIDIsHandledEachTime(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		in := newTold(t, url(t))
		m := loose("a")
		m.ID = ""
		in.receive(m, m)
		in.want("a", "a")
	})
}

func TestAFailureHarmsNoOther(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		in := newTold(t, url(t))
		in.failures["b"] = []error{errWeather, errWeather, errWeather}
		in.receive(loose("a"), loose("b"), loose("c"))
		in.want("a", "c")
		in.wantParked("b retry")
		in.receive(loose("b")) // A copy does not jump the queue.
		in.want("a", "c")
		in.sweep(time.Hour)
		in.wantParked("b retry")
		in.sweep(time.Hour)
		in.want("a", "c", "b")
		in.wantParked()
		in.receive(loose("b"))
		in.want("a", "c", "b")
		// A failure may be counted more often than it is stored: it is told apart
		// from its transaction's by trying again.
		got := in.Counts()
		if got.Handled != 3 || got.Again < 2 || got.Failed < 2 || got.Gaps != 0 {
			t.Errorf("it counted %+v", got)
		}
	})
}

func TestWhatNeverMendsIsDeadWithItsBytes(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		in := newTold(t, url(t))
		in.failures["b"] = []error{errNever, errNever}
		broken := event.Message{ID: "x", Type: "Sold", Data: []byte("{broken \xff")}
		in.receive(loose("a"), broken, loose("b"), loose("c"))
		in.want("a", "c")
		in.wantParked("b dead", "x dead")
		in.sweep(1000 * time.Hour)
		in.wantParked("b dead", "x dead")
		var data []byte
		var reason string
		found, err := database.One(t.Context(), in.db.Reader(),
			"SELECT data, error FROM inbox_parked WHERE id = 'x'", nil, &data, &reason)
		if !found || err != nil || string(data) != string(broken.Data) || reason == "" {
			t.Errorf("kept %q with error %q, %v", data, reason, err)
		}
	})
}

// PostgreSQL refuses such bytes in a text: the message would come for ever, and
// everything behind it never.
func TestHeadersThatAreNoTextKeepNobodyWaiting(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		in := newTold(t, url(t))
		odd := loose("odd")
		odd.ID, odd.Source, odd.PartitionKey, odd.Sequence, odd.TraceParent = "i\x00d\xff", "\xff", "\x00", 1, "\xfe"
		in.failures["broken"] = []error{
			event.Permanent(errors.New("no amount: \x00\xff")), event.Permanent(errors.New("no amount: \x00\xff")),
		}
		in.receive(odd, loose("broken"), loose("next"))
		in.receive(odd)
		// Text that cannot be compressed: PostgreSQL would take 8,000 times the
		// same letter.
		long := loose("long")
		for len(long.ID) < 8000 {
			long.ID += rand.Text()
		}
		long.Source, long.PartitionKey, long.TraceParent, long.Sequence = long.ID, long.ID, long.ID, 3
		in.receive(long, loose("last"))
		in.receive(long)
		in.want("odd", "next", "long", "last")
		in.wantParked("broken dead")
	})
}

// A foreign publisher may count in bytes.
func TestHeadersThatAreNoTextAreToldApart(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		in := newTold(t, url(t))
		var batch []event.Message
		for _, number := range []string{"\x80", "\x81", "\x00", "\uFFFD"} {
			m := loose(fmt.Sprintf("%x", number))
			m.ID, m.PartitionKey, m.Sequence = number, "P"+number, 1
			batch = append(batch, m)
		}
		in.receive(batch...)
		in.receive(batch...)
		got := column(t, in.db, "SELECT what FROM effect ORDER BY what")
		if diff := cmp.Diff([]string{"00", "80", "81", "efbfbd"}, got); diff != "" {
			t.Errorf("effects (-want +got):\n%s", diff)
		}
		if again := in.Counts().Again; again != int64(len(batch)) {
			t.Errorf("%d were copies", again)
		}
		in.wantParked()
	})
}

func TestARetryGivesUpInTheEnd(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		in := newTold(t, url(t))
		for range retryAttempts + 1 {
			in.failures["a"] = append(in.failures["a"], errWeather)
		}
		in.receive(loose("a"))
		for range retryAttempts - 1 {
			in.wantParked("a retry")
			in.sweep(time.Hour)
		}
		in.wantParked("a dead")
		in.want()
	})
}

func TestRunHandlesWhatIsDue(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		in := newTold(t, url(t))
		in.failures["a"] = []error{errWeather, errWeather}
		in.receive(loose("a"))
		if _, err := in.db.Exec(t.Context(), "UPDATE inbox_parked SET due_at = 1"); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := in.Run(ctx); err != nil {
				t.Error(err)
			}
		})
		for len(column(t, in.db, "SELECT what FROM effect")) == 0 && ctx.Err() == nil {
			wait(ctx, 10*time.Millisecond)
		}
		cancel()
		wg.Wait()
		in.want("a")
	})
}

func TestTheInboxForgetsOnlyWhatIsOld(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		in := newTold(t, url(t))
		in.receive(loose("a"), loose("b"))
		if _, err := in.db.Exec(t.Context(), "UPDATE inbox_event SET arrived_at = 1 WHERE id = 'a'"); err != nil {
			t.Fatal(err)
		}
		if err := in.cleanup(t.Context(), time.Now().Add(-time.Hour)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"b"}, column(t, in.db, "SELECT id FROM inbox_event")); diff != "" {
			t.Error(diff)
		}
	})
}

// Two consumers of one database that get the same partitions in another order
// must not wait for each other: on PostgreSQL that ends only after a second,
// and by an error.
func TestConsumersOfTheSamePartitionsDoNotWaitForEachOther(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		in := newTold(t, url(t))
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
		in.wantParked()
		got := column(t, in.db, "SELECT what FROM effect ORDER BY what")
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("effects (-want +got):\n%s", diff)
		}
	})
}

func TestAHandlerIsNotAskedAgainWhatNeverMends(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		in := newTold(t, url(t))
		in.failures["a"] = []error{errNever} // A second attempt would succeed.
		in.receive(loose("a"))
		in.want()
		in.wantParked("a dead")
		in.failures["b"] = []error{errNever}
		in.receive(loose("b"), loose("c"))
		in.want("c")
		in.wantParked("a dead", "b dead")
	})
}
