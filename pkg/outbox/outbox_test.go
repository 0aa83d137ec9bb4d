package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"parley.internal/pkg/database"
	"parley.internal/pkg/database/databasetest"
	"parley.internal/pkg/event"
	"parley.internal/pkg/outbox"
)

func TestMain(m *testing.M) {
	if url := os.Getenv(leaderURL); url != "" {
		leadUntilKilled(url)
	}
	goleak.VerifyTestMain(m)
}

// sold and ended are the events of the tests.
type (
	sold struct {
		Number string `json:"number"`
	}
	ended struct{}
)

func (sold) Type() string  { return "Sold" }
func (ended) Type() string { return "Ended" }

// The defaults that the tests rely on.
const (
	batchEvents = 2048
	batchBytes  = 8 << 20
	stopTimeout = 3 * time.Second
)

var quiet = slog.New(slog.DiscardHandler)

// open opens a database with the tables of the outbox.
func open(t testing.TB, url string) *database.DB {
	t.Helper()
	db := connect(t, url)
	migrate(t, db)
	return db
}

func connect(t testing.TB, url string) *database.DB {
	t.Helper()
	db, err := database.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func migrate(t testing.TB, db *database.DB) {
	t.Helper()
	if err := outbox.Migrate(t.Context(), db); err != nil {
		t.Fatal(err)
	}
}

func column(t *testing.T, db *database.DB, query string) []string {
	t.Helper()
	scan := func(scan func(...any) error) (s string, err error) { return s, scan(&s) }
	all, err := database.All(t.Context(), db.Reader(), scan, query)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func write(t *testing.T, db *database.DB, o *outbox.Outbox, key string, result error, numbers ...string) {
	t.Helper()
	err := db.InTx(t.Context(), func(tx *database.Tx) error {
		var events []event.Event
		for _, n := range numbers {
			events = append(events, sold{Number: n})
		}
		return errors.Join(o.Write(t.Context(), tx, key, events...), result)
	})
	if !errors.Is(err, result) {
		t.Fatal(err)
	}
}

// publisher is a transport made of a function.
type publisher func(m event.Message) error

func (p publisher) Publish(_ context.Context, batch []event.Message) []error {
	results := make([]error, len(batch))
	for i, m := range batch {
		results[i] = p(m)
	}
	return results
}

// relay runs a relay until the test ends or stop is called.
func relay(t *testing.T, o *outbox.Outbox, p event.Publisher) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := outbox.NewRelay(o, p).Run(ctx); err != nil {
			t.Error(err)
		}
	})
	stop = func() { cancel(); wg.Wait() }
	t.Cleanup(stop)
	return stop
}

func receive(t *testing.T, messages <-chan event.Message) event.Message {
	t.Helper()
	select {
	case m := <-messages:
		return m
	case <-time.After(30 * time.Second):
		t.Fatal("nothing was published")
		return event.Message{}
	}
}

func TestRolledBackTransactionPublishesNothing(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		db := open(t, url(t))
		o := outbox.New(db, "test", quiet)
		write(t, db, o, "P-1", errors.New("failed"), "lost")
		write(t, db, o, "P-1", nil, "kept")
		published := make(chan event.Message, 10)
		relay(t, o, publisher(func(m event.Message) error { published <- m; return nil }))
		m := receive(t, published)
		if string(m.Data) != `{"number":"kept"}` || m.Sequence != 1 {
			t.Errorf("published %s as number %d", m.Data, m.Sequence)
		}
	})
}

func TestMessageCarriesAllFields(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		db := open(t, url(t))
		o := outbox.New(db, "policy", quiet)
		before := time.Now().Add(-time.Second)
		write(t, db, o, "P-1", nil, "1", "2")
		write(t, db, o, "P-2", nil, "3")
		write(t, db, o, "P-1", nil, "4")
		write(t, db, o, "", nil, "5")
		published := make(chan event.Message, 10)
		relay(t, o, publisher(func(m event.Message) error { published <- m; return nil }))
		var got []event.Message
		for range 5 {
			m := receive(t, published)
			if len(m.ID) != 36 || m.Time.Before(before) || m.Time.After(time.Now()) {
				t.Errorf("id %q, time %s", m.ID, m.Time)
			}
			m.ID, m.Time = "", time.Time{}
			got = append(got, m)
		}
		message := func(key string, sequence int64, number string) event.Message {
			return event.Message{
				Type: "Sold", Source: "policy", PartitionKey: key, Sequence: sequence,
				Data: []byte(`{"number":"` + number + `"}`),
			}
		}
		want := []event.Message{
			message("P-1", 1, "1"), message("P-1", 2, "2"), message("P-2", 1, "3"), message("P-1", 3, "4"), message("", 0, "5"),
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestRelayPublishesLateCommits(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		db := open(t, url(t))
		o := outbox.New(db, "test", quiet)
		write(t, db, o, "P-1", nil, "first")
		published := make(chan event.Message, 10)
		relay(t, o, publisher(func(m event.Message) error {
			if string(m.Data) == `{"number":"first"}` {
				// An event that was recorded earlier, and commits only now.
				err := db.InTx(t.Context(), func(tx *database.Tx) error {
					if err := o.Write(t.Context(), tx, "P-2", sold{Number: "meanwhile"}); err != nil {
						return err
					}
					_, err := tx.ExecContext(t.Context(), "UPDATE outbox_event SET id = '0' WHERE partition_key = 'P-2'")
					return err
				})
				if err != nil {
					t.Error(err)
				}
			}
			published <- m
			return nil
		}))
		receive(t, published)
		if m := receive(t, published); m.ID != "0" {
			t.Errorf("published %s", m.Data)
		}
	})
}

func TestRelayRetriesNackedEvents(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		db := open(t, url(t))
		o := outbox.New(db, "test", quiet)
		write(t, db, o, "P-1", nil, "1", "2", "3")
		var mu sync.Mutex
		refusals := map[string]int{`{"number":"2"}`: 3}
		var got []string
		all := make(chan struct{})
		relay(t, o, publisher(func(m event.Message) error {
			mu.Lock()
			defer mu.Unlock()
			if refusals[string(m.Data)] > 0 {
				refusals[string(m.Data)]--
				return errors.New("not now")
			}
			got = append(got, string(m.Data))
			if len(got) == 3 {
				close(all)
			}
			return nil
		}))
		select {
		case <-all:
		case <-time.After(30 * time.Second):
			t.Fatalf("only %v were published", got)
		}
		slices.Sort(got)
		if diff := cmp.Diff([]string{`{"number":"1"}`, `{"number":"2"}`, `{"number":"3"}`}, got); diff != "" {
			t.Error(diff)
		}
	})
}

func TestUnroutableEventIsCountedAndRetried(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		db := open(t, url(t))
		o := outbox.New(db, "test", quiet)
		write(t, db, o, "P-1", nil, "1", "2")
		var bound atomic.Bool
		var attempts atomic.Int64
		r := outbox.NewRelay(o, publisher(func(m event.Message) error {
			if m.Sequence != 1 {
				return nil
			}
			attempts.Add(1)
			if bound.Load() {
				return nil
			}
			return event.ErrUnroutable
		}))
		running(t, r)
		wantStates := func(want ...string) {
			t.Helper()
			eventually(t, fmt.Sprintf("the states are %q", want), func() bool {
				return slices.Equal(want, column(t, db, "SELECT state FROM outbox_event ORDER BY sequence"))
			})
		}
		wantStates("unroutable", "sent")
		eventually(t, "the unroutable event is counted", func() bool { return r.Unroutable() == 1 })
		bound.Store(true)
		write(t, db, o, "P-1", nil, "3")
		wantStates("unroutable", "sent", "sent")
		if n := attempts.Load(); n != 1 {
			t.Errorf("got %d attempts within seconds, want 1", n)
		}
		if _, err := db.Exec(t.Context(), "UPDATE outbox_event SET due_at = 1 WHERE state = 'unroutable'"); err != nil {
			t.Fatal(err)
		}
		wantStates("sent", "sent", "sent")
		eventually(t, "no event is counted", func() bool { return r.Unroutable() == 0 })
	})
}

func TestRelayDeletesOnlyOldSentEvents(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		db := open(t, url(t))
		o := outbox.New(db, "test", quiet)
		write(t, db, o, "P-1", nil, "1", "2", "3")
		if _, err := db.Exec(t.Context(), `UPDATE outbox_event SET due_at = CAST($1 AS bigint),
			state = CASE sequence WHEN 3 THEN 'unroutable' ELSE 'sent' END, sent_at = CASE sequence WHEN 1 THEN 1 ELSE CAST($1 AS bigint) END`,
			database.Instant(time.Now().Add(time.Hour))); err != nil {
			t.Fatal(err)
		}
		r := outbox.NewRelay(o, publisher(func(event.Message) error { return nil }))
		r.Retention = time.Hour
		running(t, r)
		rows := func() []string {
			return column(t, db, "SELECT CAST(sequence AS text) FROM outbox_event ORDER BY sequence")
		}
		eventually(t, "an event is deleted", func() bool { return len(rows()) < 3 })
		if diff := cmp.Diff([]string{"2", "3"}, rows()); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
}
