package inbox_test

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley.internal/pkg/database"
	"parley.internal/pkg/database/databasetest"
	"parley.internal/pkg/event"
	"parley.internal/pkg/testenv"
)

// The first handlers return only after both have been called.
func TestWorkersRunInParallel(t *testing.T) {
	db := open(t, testenv.Postgres(t))
	var both sync.WaitGroup
	both.Add(2)
	in := handling(t, db, func(_ context.Context, _ *database.Tx, e sold) error {
		if strings.HasSuffix(e.Number, "-1") {
			both.Done()
			both.Wait()
		}
		return nil
	})
	in.receive(twoPolicies()...)
}

// SQLite has a single writer: a second worker would only wait for the lock.
func TestSQLiteHasOneWorker(t *testing.T) {
	db := open(t, "sqlite:"+t.TempDir()+"/test.db")
	var running, most atomic.Int64
	in := handling(t, db, func(ctx context.Context, tx *database.Tx, e sold) error {
		most.Store(max(most.Load(), running.Add(1)))
		defer running.Add(-1)
		return record(ctx, tx, e.Number)
	})
	in.receive(twoPolicies()...)
	if most.Load() != 1 {
		t.Errorf("got %d handlers in parallel, want 1", most.Load())
	}
}

// twoPolicies returns a batch that is worth two workers.
func twoPolicies() (batch []event.Message) {
	for n := range int64(workerEvents) {
		batch = append(batch, of("A", n+1), of("B", n+1))
	}
	return batch
}

// A worker's commit survives the failure of another worker.
func TestFailedWorkerIsReportedAndRedelivered(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		db := open(t, url(t))
		var bug sync.Once
		log := slog.New(messages(func(message string) {
			if message == "event handled" { // After the commit of a worker.
				bug.Do(func() { panic("a bug") })
			}
		}))
		in := logging(t, db, log, func(ctx context.Context, tx *database.Tx, e sold) error { return record(ctx, tx, e.Number) })
		in.Workers = 2
		batch := twoPolicies()
		var want []string
		for _, m := range batch {
			want = append(want, m.ID)
		}
		if err := in.Receive(t.Context(), batch); err == nil || !strings.Contains(err.Error(), "panic: a bug") {
			t.Errorf("got error %v, want the panic", err)
		}
		in.receive(batch...)
		got := column(t, db, "SELECT number FROM effect ORDER BY number")
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("effects (-want +got):\n%s", diff)
		}
	})
}

// messages is a slog.Handler that receives the messages of a log.
type messages func(message string)

func (messages) Enabled(context.Context, slog.Level) bool { return true }
func (m messages) WithAttrs([]slog.Attr) slog.Handler     { return m }
func (m messages) WithGroup(string) slog.Handler          { return m }

func (m messages) Handle(_ context.Context, r slog.Record) error {
	m(r.Message)
	return nil
}

// Slow handlers must not run into the timeout of the transaction again and again:
// handled events are committed.
func TestSlowBatchUsesSeveralTransactions(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		in := newReceiver(t, url(t))
		in.BatchTime = 1 // There is time for a single event.
		in.failures["b"] = []error{errPermanent}
		in.receive(nth(1), nth(3), unordered("a"), nth(4), unordered("b"), nth(2), unordered("c"))
		in.processAfter(time.Second)
		in.processAfter(time.Second)
		in.processAfter(time.Second)
		if got := column(t, in.db, "SELECT number FROM effect WHERE number IN ('a', 'b', 'c') ORDER BY number"); len(got) != 2 {
			t.Errorf("of a, b and c, got %v handled", got)
		}
		got := column(t, in.db, "SELECT number FROM effect WHERE number NOT IN ('a', 'b', 'c') ORDER BY position")
		if diff := cmp.Diff([]string{"1", "2", "3", "4"}, got); diff != "" {
			t.Errorf("effects (-want +got):\n%s", diff)
		}
		in.wantParked(t, "b dead")
	})
}

// PostgreSQL aborts a transaction after the first error of a statement, even if the
// handler ignores the error.
func TestHiddenDatabaseErrorHarmsNoOtherEvent(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		db := open(t, url(t))
		in := handling(t, db, func(ctx context.Context, tx *database.Tx, e sold) error {
			if e.Number == "hides" {
				_ = record(ctx, tx, "hidden")
				_, _ = tx.ExecContext(ctx, "INSERT INTO nothing VALUES (1)")
				return nil
			}
			return record(ctx, tx, e.Number)
		})
		if err := in.Receive(t.Context(), []event.Message{unordered("a"), unordered("hides"), unordered("b"), unordered("c")}); err != nil {
			t.Fatal(err)
		}
		got := column(t, db, "SELECT number FROM effect WHERE number <> 'hidden' ORDER BY number")
		if diff := cmp.Diff([]string{"a", "b", "c"}, got); diff != "" {
			t.Errorf("effects (-want +got):\n%s", diff)
		}
	})
}

// A deferred constraint is checked when a transaction commits.
func TestRejectedCommitHarmsNoOtherEvent(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		db := open(t, url(t))
		for _, statement := range []string{
			"CREATE TABLE product (code text PRIMARY KEY)",
			"CREATE TABLE sale (product text NOT NULL REFERENCES product (code) DEFERRABLE INITIALLY DEFERRED)",
			"INSERT INTO product VALUES ('a'), ('b')",
		} {
			if _, err := db.Exec(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
		in := handling(t, db, func(ctx context.Context, tx *database.Tx, e sold) error {
			_, err := tx.ExecContext(ctx, "INSERT INTO sale VALUES ($1)", e.Number)
			return err
		})
		if err := in.Receive(t.Context(), []event.Message{unordered("a"), unordered("x"), unordered("b")}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"a", "b"}, column(t, db, "SELECT product FROM sale ORDER BY product")); diff != "" {
			t.Errorf("sales (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"x retry"}, column(t, db, "SELECT id || ' ' || state FROM inbox_parked")); diff != "" {
			t.Errorf("parked (-want +got):\n%s", diff)
		}
	})
}

// Another process may write or delete the same row meanwhile: a broken constraint is
// retried.
func TestBrokenConstraintIsRetried(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		in := newReceiver(t, url(t))
		for _, statement := range []string{
			"CREATE UNIQUE INDEX effect_once ON effect (number)", "INSERT INTO effect VALUES (1, 'a'), (2, 'x')",
		} {
			if _, err := in.db.Exec(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
		in.receive(unordered("a"))                 // Alone,
		in.receive(unordered("b"), unordered("x")) // or beside others.
		in.wantParked(t, "a retry", "x retry")
		if _, err := in.db.Exec(t.Context(), "DELETE FROM effect WHERE number = 'a'"); err != nil {
			t.Fatal(err)
		}
		in.processAfter(time.Hour)
		in.want(t, "x", "b", "a")
		in.wantParked(t, "x retry")
		for range retryAttempts {
			in.processAfter(time.Hour)
		}
		in.wantParked(t, "x dead")
	})
}

// Many parked events are handled without waiting for a gap.
func TestManyWaitingEventsFollowAtOnce(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		in := newReceiver(t, url(t))
		const many = 2*releaseLimit + 10
		var late []event.Message
		for n := range int64(many) {
			late = append(late, nth(n+2))
		}
		in.receive(late...)
		in.receive(nth(1))
		for range 3 {
			in.processAfter(time.Millisecond)
		}
		in.wantParked(t)
		if got := column(t, in.db, "SELECT number FROM effect WHERE position = CAST(number AS bigint)"); len(got) != many+1 {
			t.Errorf("got %d events handled in order, want %d", len(got), many+1)
		}
	})
}
