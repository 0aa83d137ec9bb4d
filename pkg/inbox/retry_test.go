package inbox_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"parley.internal/pkg/database"
	"parley.internal/pkg/database/databasetest"
	"parley.internal/pkg/event"
	"parley.internal/pkg/testenv"
)

// holding locks the hot row until release.
func holding(t *testing.T, db *database.DB) (release func()) {
	t.Helper()
	held, free, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- db.InTx(t.Context(), func(tx *database.Tx) error {
			var err error
			if db.Dialect == database.Postgres { // The limit of idle transactions must not release the lock.
				_, err = tx.ExecContext(t.Context(), "SET LOCAL idle_in_transaction_session_timeout = 0")
			}
			if err == nil {
				_, err = tx.ExecContext(t.Context(), "UPDATE effect SET position = 1 WHERE number = 'hot'")
			}
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

// parkedAttempts returns the parked events with their states and failed attempts.
func parkedAttempts(t *testing.T, db *database.DB) string {
	t.Helper()
	return fmt.Sprint(column(t, db, "SELECT id || ' ' || state || ' ' || CAST(attempts AS text) FROM inbox_parked ORDER BY id"))
}

// A lock that is held for minutes costs an event no attempt: the event is retried until
// the lock is released, and events without the lock do not wait.
func TestLockTimeoutIsNoAttempt(t *testing.T) {
	db := open(t, testenv.Postgres(t))
	if _, err := db.Exec(t.Context(), "INSERT INTO effect (position, number) VALUES (0, 'hot')"); err != nil {
		t.Fatal(err)
	}
	in := handling(t, db, func(ctx context.Context, tx *database.Tx, e sold) error {
		if e.Number == "free" {
			return record(ctx, tx, e.Number)
		}
		if _, err := tx.ExecContext(ctx, "UPDATE effect SET position = position + 1 WHERE number = 'hot'"); err != nil {
			return fmt.Errorf("change the hot row: %w", err)
		}
		return record(ctx, tx, e.Number)
	})
	in.Timeout = 3 * time.Second // A third of it limits the wait for a lock.
	release := holding(t, db)
	deliver(t, in, [][]event.Message{{unordered("a")}, {nth(1), unordered("free"), nth(2)}})
	if got := fmt.Sprint(column(t, db, "SELECT number FROM effect WHERE number <> 'hot'")); got != "[free]" {
		t.Errorf("got %s handled", got)
	}
	const waits = "[1 retry 0 2 waiting 0 a retry 0]"
	if got := parkedAttempts(t, db); got != waits {
		t.Errorf("got %s parked", got)
	}
	tryAgain := func() {
		t.Helper()
		in.skip(time.Minute)
		eventually(t, "due events are processed", func() bool { return in.ProcessDue(t.Context()) == nil })
	}
	tryAgain()
	if got := parkedAttempts(t, db); got != waits {
		t.Errorf("after a retry got %s parked", got)
	}
	release()
	tryAgain()
	tryAgain()
	if got := fmt.Sprint(column(t, db, "SELECT number FROM effect WHERE number <> 'hot' ORDER BY number")); got != "[1 2 a free]" {
		t.Errorf("in the end got %s handled and %s parked", got, parkedAttempts(t, db))
	}
}

// A handler that never returns would block all other events.
func TestHandlerTimeoutIsAFailure(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		db := open(t, url(t))
		in := handling(t, db, func(ctx context.Context, tx *database.Tx, e sold) error {
			if e.Number == "slow" {
				<-ctx.Done()
				return ctx.Err()
			}
			return record(ctx, tx, e.Number)
		})
		in.Timeout = time.Second
		deliver(t, in, [][]event.Message{{unordered("a"), unordered("slow"), unordered("b")}})
		if got := fmt.Sprint(column(t, db, "SELECT number FROM effect ORDER BY number")); got != "[a b]" {
			t.Errorf("got %s handled", got)
		}
		if got := parkedAttempts(t, db); got != "[slow retry 2]" { // deliver delivers the event again.
			t.Errorf("got %s parked", got)
		}
	})
}
