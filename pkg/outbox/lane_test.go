package outbox

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley.internal/pkg/database"
	"parley.internal/pkg/database/databasetest"
	"parley.internal/pkg/event"
)

// of is the nth event of a policy.
func of(policy string, sequence int64) event.Message {
	m := loose(fmt.Sprintf("%s-%d", policy, sequence))
	m.PartitionKey, m.Sequence = policy, sequence
	return m
}

func TestAPartitionStaysInOneLane(t *testing.T) {
	var batch []event.Message
	for sequence := range int64(5) {
		batch = append(batch, of("A", sequence+1), of("B", sequence+1), loose(fmt.Sprint(sequence)))
	}
	batch = append(batch, from("other", of("A", 1)))
	var got []string
	for _, lane := range split(batch, 3) {
		var ids []string
		for _, m := range lane {
			ids = append(ids, m.ID)
		}
		got = append(got, strings.Join(ids, " "))
	}
	want := []string{"A-1 A-2 A-3 A-4 A-5 A-1", "B-1 B-2 B-3 B-4 B-5", "0 1 2 3 4"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lanes (-want +got):\n%s", diff)
	}
}

// handling is an inbox with a handler.
func handling(t testing.TB, db *database.DB, handle func(context.Context, *database.Tx, sold) error) *Inbox {
	t.Helper()
	var router event.Router[*database.Tx]
	event.Handle(&router, func(ctx context.Context, tx *database.Tx, _ event.Message, e sold) error { return handle(ctx, tx, e) })
	return NewInbox(db, "chat", &router, quiet)
}

func note(ctx context.Context, tx *database.Tx, what string) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO effect (position, what) VALUES (0, $1)", what)
	return err
}

// The first handler returns only when another one has been called.
func TestLanesWorkSideBySide(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		db := open(t, url(t))
		if db.Dialect == database.SQLite {
			if n := NewInbox(db, "chat", nil, quiet).laneCount(); n != 1 {
				t.Errorf("%d lanes, want one: SQLite writes one at a time", n)
			}
			return
		}
		var both sync.WaitGroup
		both.Add(2)
		var batch []event.Message
		for n := range int64(laneLeast) {
			batch = append(batch, of("A", n+1), of("B", n+1))
		}
		in := handling(t, db, func(_ context.Context, _ *database.Tx, e sold) error {
			if strings.HasSuffix(e.Number, "-1") {
				both.Done()
				both.Wait()
			}
			return nil
		})
		if err := in.Receive(t.Context(), batch); err != nil {
			t.Error(err)
		}
	})
}

// What a lane has committed stays so when another one is in trouble, and is not
// done again.
func TestALaneInTroubleIsToldAndComesAgain(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		db := open(t, url(t))
		var trouble sync.Once
		in := handling(t, db, func(ctx context.Context, tx *database.Tx, e sold) error { return note(ctx, tx, e.Number) })
		in.Lanes = 2
		in.log = slogThat(func(message string) {
			if message == "event handled" { // After the commit of one of them.
				trouble.Do(func() { panic("a bug") })
			}
		})
		var batch []event.Message
		var want []string
		for n := range int64(laneLeast) {
			batch = append(batch, of("A", n+1), of("B", n+1))
			want = append(want, fmt.Sprint("A-", n+1), fmt.Sprint("B-", n+1))
		}
		if err := in.Receive(t.Context(), batch); !errors.Is(err, errPanic) {
			t.Errorf("got error %v", err)
		}
		if err := in.Receive(t.Context(), batch); err != nil {
			t.Error(err)
		}
		got := column(t, db, "SELECT what FROM effect ORDER BY what")
		if diff := cmp.Diff(sorted(want), got); diff != "" {
			t.Errorf("effects (-want +got):\n%s", diff)
		}
	})
}

// A handler that is slow must not have its transaction run out of time, again
// and again: what has been done is kept.
func TestWhatTakesLongIsDoneInSeveralTransactions(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		in := newTold(t, url(t))
		in.setTime = 1 // There is time for one.
		in.failures["b"] = []error{errNever}
		in.receive(nth(1), nth(3), loose("a"), nth(4), loose("b"), nth(2), loose("c"))
		in.sweep(time.Second)
		in.sweep(time.Second)
		in.sweep(time.Second)
		if got := column(t, in.db, "SELECT what FROM effect WHERE what IN ('a', 'b', 'c') ORDER BY what"); len(got) != 2 {
			t.Errorf("of a, b and c, %v were handled", got)
		}
		got := column(t, in.db, "SELECT what FROM effect WHERE what NOT IN ('a', 'b', 'c') ORDER BY position")
		if diff := cmp.Diff([]string{"1", "2", "3", "4"}, got); diff != "" {
			t.Errorf("effects (-want +got):\n%s", diff)
		}
		in.wantParked("b dead")
	})
}

// PostgreSQL gives a transaction up on the first error in it, even if the
// handler did not mind.
func TestAHandlerThatHidesAnErrorHarmsNoOther(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		db := open(t, url(t))
		in := handling(t, db, func(ctx context.Context, tx *database.Tx, e sold) error {
			if e.Number == "hides" {
				_ = note(ctx, tx, "hidden")
				_, err := db.Exec(ctx, "INSERT INTO nothing VALUES (1)")
				_ = err
				return nil
			}
			return note(ctx, tx, e.Number)
		})
		if err := in.Receive(t.Context(), []event.Message{loose("a"), loose("hides"), loose("b"), loose("c")}); err != nil {
			t.Fatal(err)
		}
		got := column(t, db, "SELECT what FROM effect WHERE what <> 'hidden' ORDER BY what")
		if diff := cmp.Diff([]string{"a", "b", "c"}, got); diff != "" {
			t.Errorf("effects (-want +got):\n%s", diff)
		}
	})
}

// A rule that the database looks at only when a transaction commits.
func TestARefusedCommitHarmsNoOther(t *testing.T) {
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
			_, err := db.Exec(ctx, "INSERT INTO sale VALUES ($1)", e.Number)
			return err
		})
		if err := in.Receive(t.Context(), []event.Message{loose("a"), loose("x"), loose("b")}); err != nil {
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

// Another process may write the same row at the same time, or delete it again: a
// broken rule says nothing about the event alone.
func TestABrokenRuleIsTriedAgainUntilItMends(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		in := newTold(t, url(t))
		for _, statement := range []string{
			"CREATE UNIQUE INDEX effect_once ON effect (what)", "INSERT INTO effect VALUES (1, 'a'), (2, 'x')",
		} {
			if _, err := in.db.Exec(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
		in.receive(loose("a"))             // Alone,
		in.receive(loose("b"), loose("x")) // or beside others.
		in.wantParked("a retry", "x retry")
		if _, err := in.db.Exec(t.Context(), "DELETE FROM effect WHERE what = 'a'"); err != nil {
			t.Fatal(err)
		}
		in.sweep(time.Hour)
		in.want("x", "b", "a")
		in.wantParked("x retry")
		for range retryAttempts {
			in.sweep(time.Hour)
		}
		in.wantParked("x dead")
	})
}

// A long row of events that waited is handled without waiting for a gap.
func TestManyThatWaitedFollowAtOnce(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		in := newTold(t, url(t))
		const many = 2*releaseMost + 10
		var late []event.Message
		for n := range int64(many) {
			late = append(late, nth(n+2))
		}
		in.receive(late...)
		in.receive(nth(1))
		for range 3 {
			in.sweep(time.Millisecond)
		}
		in.wantParked()
		if got := column(t, in.db, "SELECT what FROM effect WHERE position = CAST(what AS bigint)"); len(got) != many+1 {
			t.Errorf("%d were handled in order, want %d", len(got), many+1)
		}
	})
}
