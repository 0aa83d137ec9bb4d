package outbox

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"parley.internal/pkg/database"
	"parley.internal/pkg/database/databasetest"
	"parley.internal/pkg/event"
	"parley.internal/pkg/testenv"
)

// holding holds the lock of the row that lockingInbox changes, until release.
func holding(t *testing.T, db *database.DB) (release func()) {
	t.Helper()
	held, free, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- db.InTx(t.Context(), func(tx *database.Tx) error {
			_, err := tx.ExecContext(t.Context(), "UPDATE effect SET position = 1 WHERE what = 'hot'")
			close(held)
			<-free
			return err
		})
	}()
	<-held
	return func() {
		close(free)
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// parkedAttempts is what is parked, and how often its handlers have failed.
func parkedAttempts(t *testing.T, db *database.DB) string {
	t.Helper()
	return fmt.Sprint(column(t, db, "SELECT id || ' ' || state || ' ' || CAST(attempts AS text) FROM inbox_parked ORDER BY id"))
}

// Somebody who holds a lock for minutes says nothing about an event: it is tried
// again as often as it takes, and those that need no lock do not wait for it.
func TestAWaitForALockIsNoFailedAttempt(t *testing.T) {
	db := open(t, testenv.Postgres(t))
	if _, err := db.Exec(t.Context(), "INSERT INTO effect (position, what) VALUES (0, 'hot')"); err != nil {
		t.Fatal(err)
	}
	in := handling(t, db, func(ctx context.Context, tx *database.Tx, e sold) error {
		if e.Number == "free" {
			return note(ctx, tx, e.Number)
		}
		if _, err := tx.ExecContext(ctx, "UPDATE effect SET position = position + 1 WHERE what = 'hot'"); err != nil {
			return fmt.Errorf("change the hot row: %w", err)
		}
		return note(ctx, tx, e.Number)
	})
	in.timeout = 2 * time.Second
	release := holding(t, db)
	deliver(t, in, [][]event.Message{{loose("a")}, {nth(1), loose("free"), nth(2)}})
	if got := fmt.Sprint(column(t, db, "SELECT what FROM effect WHERE what <> 'hot'")); got != "[free]" {
		t.Errorf("%s were handled", got)
	}
	const waits = "[1 retry 0 2 waiting 0 a retry 0]"
	if got := parkedAttempts(t, db); got != waits {
		t.Errorf("%s are parked", got)
	}
	tryAgain := func() {
		t.Helper()
		until(t, "it is tried again", func() bool { return in.redo(t.Context(), time.Now().Add(time.Minute)) == nil })
	}
	tryAgain()
	if got := parkedAttempts(t, db); got != waits {
		t.Errorf("when they were tried again, %s are parked", got)
	}
	release()
	tryAgain()
	tryAgain()
	if got := fmt.Sprint(column(t, db, "SELECT what FROM effect WHERE what <> 'hot' ORDER BY what")); got != "[1 2 a free]" {
		t.Errorf("in the end %s were handled, and parked are %s", got, parkedAttempts(t, db))
	}
}

// A handler that never comes to its end would keep all others waiting for ever.
func TestAHandlerThatTakesTooLongHasFailed(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		db := open(t, url(t))
		in := handling(t, db, func(ctx context.Context, tx *database.Tx, e sold) error {
			if e.Number == "slow" {
				<-ctx.Done()
				return ctx.Err()
			}
			return note(ctx, tx, e.Number)
		})
		in.timeout = time.Second
		deliver(t, in, [][]event.Message{{loose("a"), loose("slow"), loose("b")}})
		if got := fmt.Sprint(column(t, db, "SELECT what FROM effect ORDER BY what")); got != "[a b]" {
			t.Errorf("%s were handled", got)
		}
		if got := parkedAttempts(t, db); got != "[slow retry 2]" { // deliver has it tried again.
			t.Errorf("%s are parked", got)
		}
	})
}

// Between the transaction in which a retry failed and the one that says so,
// another process may have handled it.
func TestWhatAnotherProcessHasHandledMeanwhileIsNotParkedAgain(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		for _, err := range []error{errWeather, errors.New("no such agent")} {
			in := newTold(t, url(t))
			m := nth(1)
			in.failures["1"] = []error{errWeather, errWeather}
			in.receive(m)
			in.wantParked("1 retry")
			failed := &failure{item: &item{parked: parked{Message: m, state: stateRetry, attempts: 1}, kept: true}, err: err}
			in.sweep(time.Minute)
			in.want("1")
			if err := in.setAside(t.Context(), failed); err != nil {
				t.Error(err)
			}
			in.wantParked()
			in.sweep(time.Hour)
			in.want("1")
		}
	})
}

// Of two processes, one has a clock that is a minute behind. What it parks has
// not waited for a minute.
func TestAClockThatIsBehindDoesNotShortenTheWait(t *testing.T) {
	url := testenv.Postgres(t)
	behind := newTold(t, url)
	behind.clock.local = func() time.Time { return time.Now().Add(-time.Minute) }
	right := newToldIn(t, connect(t, url))
	right.CaughtUp("Sold", time.Now().Add(-10*time.Second)) // Before the event came.
	behind.receive(nth(2))
	look := func() {
		t.Helper()
		if err := right.redo(t.Context(), time.Now().Add(orderPatience+time.Second)); err != nil {
			t.Error(err)
		}
	}
	look()
	right.wantParked("2 waiting")
	right.CaughtUp("Sold", time.Now())
	look()
	right.want("2")
	// And one that is parked by a clock that is right is due for the other one.
	right.failures["3"] = []error{errWeather, errWeather}
	right.receive(nth(3))
	if err := behind.redo(t.Context(), behind.clock.local().Add(10*time.Second)); err != nil {
		t.Error(err)
	}
	right.want("2", "3")
}
