package inbox

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
	"parley.internal/pkg/retry"
	"parley.internal/pkg/testenv"
)

type sold struct{}

func (sold) Type() string { return "Sold" }

// newProcess returns the inbox of a process; its handler fails once per error.
func newProcess(t *testing.T, url string, failures ...error) *Inbox {
	t.Helper()
	db, err := database.Open(t.Context(), url)
	if err == nil {
		err = Migrate(t.Context(), db)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	var router event.Router[*database.Tx]
	event.Handle(&router, func(context.Context, *database.Tx, event.Message, sold) error {
		if len(failures) == 0 {
			return nil
		}
		err := failures[0]
		failures = failures[1:]
		return err
	})
	return New(db, "chat", &router, slog.New(slog.DiscardHandler))
}

func nth(sequence int64) event.Message {
	return event.Message{ID: string(rune('0' + sequence)), Type: "Sold", PartitionKey: "P", Sequence: sequence, Data: []byte("{}")}
}

func (i *Inbox) isParked(t *testing.T) bool {
	t.Helper()
	stats, err := i.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return stats.Waiting+stats.Retry+int64(len(stats.Dead)) > 0
}

func (i *Inbox) processUntilHandled(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for i.isParked(t) {
		if err := i.ProcessDue(ctx); err != nil {
			t.Fatal(err)
		}
		retry.Wait(ctx, 10*time.Millisecond)
	}
}

// The clock of a process is a minute behind. An event that this process parks has not
// waited for a minute, and a retry that another process parks is due at the same time.
func TestClockBehindDoesNotChangeDueTimes(t *testing.T) {
	url := testenv.Postgres(t)
	behind := newProcess(t, url)
	behind.clock.system = func() time.Time { return time.Now().Add(-time.Minute) }
	right := newProcess(t, url, nil, errors.New("one"), errors.New("two"))
	right.GapTimeout = time.Millisecond
	right.CaughtUp("Sold", time.Now().Add(-10*time.Second)) // Before the event arrived.
	if err := behind.Receive(t.Context(), []event.Message{nth(2)}); err != nil {
		t.Fatal(err)
	}
	retry.Wait(t.Context(), 5*right.GapTimeout)
	if err := right.ProcessDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !right.isParked(t) {
		t.Error("the event was handled without its predecessor too soon")
	}
	right.CaughtUp("Sold", time.Now())
	right.processUntilHandled(t)

	if err := right.Receive(t.Context(), []event.Message{nth(3)}); err != nil {
		t.Fatal(err)
	}
	if !right.isParked(t) {
		t.Error("the failed event is not parked")
	}
	begun := time.Now()
	behind.processUntilHandled(t)
	if took := time.Since(begun); took > 20*time.Second {
		t.Errorf("the retry was due after %s, want about a second", took)
	}
}

// Another process may handle an event between the transaction in which its retry failed
// and the transaction that records the failure.
func TestEventHandledElsewhereIsNotParkedAgain(t *testing.T) {
	for name, url := range map[string]string{"SQLite": "sqlite:" + t.TempDir() + "/test.db", "PostgreSQL": testenv.Postgres(t)} {
		t.Run(name, func(t *testing.T) {
			skipped := time.Duration(0)
			i := newProcess(t, url, errors.New("one"), errors.New("two"))
			i.Now = func() time.Time { return time.Now().Add(skipped) }
			if err := i.Receive(t.Context(), []event.Message{nth(1)}); err != nil {
				t.Fatal(err)
			}
			failed := &failure{
				item: &item{stored: stored{Message: nth(1), state: stateRetry, attempts: 1}, parked: true}, err: errors.New("three"),
			}
			skipped = time.Minute
			if err := i.ProcessDue(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := i.recordFailure(t.Context(), failed); err != nil {
				t.Error(err)
			}
			if i.isParked(t) || i.Counts().Handled != 1 {
				t.Errorf("got counts %+v, want one handled event and no parked event", i.Counts())
			}
		})
	}
}
