package outbox

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"parley.internal/pkg/database"
	"parley.internal/pkg/database/databasetest"
	"parley.internal/pkg/event"
)

func TestMain(m *testing.M) {
	if url := os.Getenv(leadURL); url != "" {
		leadUntilKilled(url)
	}
	// More of them take a while: go test -rapid.checks=1000
	if err := flag.Set("rapid.checks", "25"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// sold is an event of the tests.
type sold struct {
	Number string `json:"number"`
}

func (sold) Type() string { return "Sold" }

var quiet = slog.New(slog.DiscardHandler)

// open gives a database with the tables of outbox and one for effects.
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
	effects := fstest.MapFS{"00001_effect.sql": {Data: []byte(
		"-- +goose Up\nCREATE TABLE effect (position bigint NOT NULL, what text NOT NULL);\n")}}
	if err := errors.Join(Migrate(t.Context(), db), database.Migrate(t.Context(), db, "test", effects)); err != nil {
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

func write(t *testing.T, db *database.DB, o *Outbox, key string, result error, numbers ...string) {
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
func relay(t *testing.T, o *Outbox, p event.Publisher) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := NewRelay(o, p).Run(ctx); err != nil {
			t.Error(err)
		}
	})
	stop = func() { cancel(); wg.Wait() }
	t.Cleanup(stop)
	return stop
}

// lookOnce relays what there is.
func lookOnce(t *testing.T, r *Relay) {
	t.Helper()
	batches := make(chan []event.Message, 10)
	if err := (&reader{Relay: r, flight: &flight{flying: map[string]bool{}}, batches: batches}).look(t.Context()); err != nil {
		t.Fatal(err)
	}
	close(batches)
	for batch := range batches {
		r.settle(t.Context(), r.publish(t.Context(), batch))
	}
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

func TestARolledBackTransactionTellsNothing(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		db := open(t, url(t))
		o := New(db, "test", quiet)
		write(t, db, o, "P-1", errors.New("refused"), "lost")
		write(t, db, o, "P-1", nil, "kept")
		published := make(chan event.Message, 10)
		relay(t, o, publisher(func(m event.Message) error { published <- m; return nil }))
		m := receive(t, published)
		if string(m.Data) != `{"number":"kept"}` || m.Sequence != 1 {
			t.Errorf("published %s as number %d", m.Data, m.Sequence)
		}
	})
}

func TestAMessageCarriesWhatItsReceiverNeeds(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		db := open(t, url(t))
		o := New(db, "policy", quiet)
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

func TestRelayKeepsWhatCommitsMeanwhile(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		db := open(t, url(t))
		o := New(db, "test", quiet)
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

func TestRelayTriesAgainWhatTheTransportRefused(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		db := open(t, url(t))
		o := New(db, "test", quiet)
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

func TestAnUnroutableEventIsSeenAndTriedAgain(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		db := open(t, url(t))
		o := New(db, "test", quiet)
		write(t, db, o, "P-1", nil, "1", "2")
		count := func(r *Relay, want int64) {
			t.Helper()
			if r.count(t.Context()); r.Unroutable() != want {
				t.Errorf("%d are unroutable, want %d", r.Unroutable(), want)
			}
		}
		bound := false
		r := NewRelay(o, publisher(func(m event.Message) error {
			if !bound && m.Sequence == 1 {
				return event.ErrUnroutable
			}
			return nil
		}))
		pass := func(want ...string) {
			t.Helper()
			lookOnce(t, r)
			if diff := cmp.Diff(want, column(t, db, "SELECT state FROM outbox_event ORDER BY sequence")); diff != "" {
				t.Error(diff)
			}
		}
		pass("unroutable", "sent")
		count(r, 1)
		bound = true
		pass("unroutable", "sent") // It is not tried all the time.
		if _, err := db.Exec(t.Context(), "UPDATE outbox_event SET due_at = 1 WHERE state = 'unroutable'"); err != nil {
			t.Fatal(err)
		}
		pass("sent", "sent")
		count(r, 0)
	})
}

func TestOnlyOldSentEventsAreCleanedUp(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		db := open(t, url(t))
		o := New(db, "test", quiet)
		write(t, db, o, "P-1", nil, "1", "2", "3")
		if _, err := db.Exec(t.Context(), `UPDATE outbox_event SET
		state = CASE sequence WHEN 3 THEN 'pending' ELSE 'sent' END, sent_at = sequence`); err != nil {
			t.Fatal(err)
		}
		if err := o.cleanup(t.Context(), database.Time(2)); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"2", "3"}, column(t, db, "SELECT CAST(sequence AS text) FROM outbox_event ORDER BY sequence")); diff != "" {
			t.Error(diff)
		}
	})
}

// slogThat is a log that is told each message.
func slogThat(told func(message string)) *slog.Logger { return slog.New(handler{told}) }

type handler struct{ told func(string) }

func (handler) Enabled(context.Context, slog.Level) bool { return true }
func (h handler) WithAttrs([]slog.Attr) slog.Handler     { return h }
func (h handler) WithGroup(string) slog.Handler          { return h }

func (h handler) Handle(_ context.Context, r slog.Record) error {
	h.told(r.Message)
	return nil
}

func sorted(texts []string) []string { return slices.Sorted(slices.Values(texts)) }
