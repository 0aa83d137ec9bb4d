package inbox_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"go.uber.org/goleak"

	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
	"parley.internal/pkg/inbox"
	"parley.internal/pkg/retry"
)

func TestMain(m *testing.M) {
	// More checks take longer: go test -rapid.checks=1000
	if err := flag.Set("rapid.checks", "25"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// The defaults that the tests rely on.
const (
	gapTimeout     = 30 * time.Second
	gapLimit       = 24 * time.Hour
	defaultTimeout = 30 * time.Second
	stopTimeout    = 3 * time.Second
	retryAttempts  = 12
	releaseLimit   = 256
	batchLimit     = 64
	workerEvents   = 8
)

var (
	quiet = slog.New(slog.DiscardHandler)

	errTransient = errors.New("the agency is unavailable")
	errPermanent = event.Permanent(errors.New("no such product"))
)

// sold and ended are the events of the tests: ended follows sold and has a queue of its
// own.
type (
	sold struct {
		Number string `json:"number"`
	}
	ended struct {
		Number string `json:"number"`
	}
)

func (sold) Type() string  { return "Sold" }
func (ended) Type() string { return "Ended" }

// open opens a database with the tables of the inbox and a table for the effects of
// handlers.
func open(t testing.TB, url string) *database.DB {
	t.Helper()
	db := connect(t, url)
	effects := fstest.MapFS{"migrations/00001_effect.sql": {Data: []byte(
		"-- +goose Up\nCREATE TABLE effect (position bigint NOT NULL, number text NOT NULL);\n")}}
	if err := errors.Join(inbox.Migrate(t.Context(), db), database.Migrate(t.Context(), db, "test", effects)); err != nil {
		t.Fatal(err)
	}
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

func column(t *testing.T, db *database.DB, query string) []string {
	t.Helper()
	scan := func(scan func(...any) error) (s string, err error) { return s, scan(&s) }
	all, err := database.All(t.Context(), db.Reader(), scan, query)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func execute(t testing.TB, db *database.DB, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		if _, err := db.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
}

// clock is a clock that stands still, except that each reading takes a microsecond and
// that a test skips time.
type clock struct{ passed atomic.Int64 }

var start = time.Now()

func (c *clock) now() time.Time {
	return start.Add(time.Duration(c.passed.Add(int64(time.Microsecond))))
}
func (c *clock) skip(d time.Duration) { c.passed.Add(int64(d)) }

// receiver is an inbox with a clock. The handler of newReceiver inserts an effect and
// then fails as failures says.
type receiver struct {
	*inbox.Inbox
	*clock

	t        testing.TB
	db       *database.DB
	mu       sync.Mutex
	failures map[string][]error // by number, an error for each attempt
}

func newReceiver(t testing.TB, url string) *receiver {
	t.Helper()
	return newReceiverOn(t, open(t, url))
}

func newReceiverOn(t testing.TB, db *database.DB) *receiver {
	t.Helper()
	var in *receiver
	in = handling(t, db, func(ctx context.Context, tx *database.Tx, e sold) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO effect (position, number)
			SELECT COALESCE(MAX(position), 0) + 1, CAST($1 AS text) FROM effect`, e.Number); err != nil {
			return err
		}
		return in.failure(e.Number)
	})
	return in
}

// handling returns an inbox with a handler.
func handling(t testing.TB, db *database.DB, handle func(context.Context, *database.Tx, sold) error) *receiver {
	t.Helper()
	return logging(t, db, quiet, handle)
}

// handlingFor returns an inbox of a consumer.
func handlingFor(
	t testing.TB, db *database.DB, consumer string, handle func(context.Context, *database.Tx, sold) error,
) *receiver {
	t.Helper()
	return newInbox(t, db, consumer, quiet, handle)
}

// logging returns an inbox with a log.
func logging(
	t testing.TB, db *database.DB, log *slog.Logger, handle func(context.Context, *database.Tx, sold) error,
) *receiver {
	t.Helper()
	return newInbox(t, db, "chat", log, handle)
}

func newInbox(
	t testing.TB, db *database.DB, consumer string, log *slog.Logger, handle func(context.Context, *database.Tx, sold) error,
) *receiver {
	t.Helper()
	in := &receiver{t: t, db: db, clock: &clock{}, failures: map[string][]error{}}
	var router event.Router[*database.Tx]
	event.Handle(&router, func(ctx context.Context, tx *database.Tx, _ event.Message, e sold) error { return handle(ctx, tx, e) })
	in.Inbox = inbox.New(db, consumer, &router, log)
	in.Now = in.now
	return in
}

// record inserts an effect.
func record(ctx context.Context, tx *database.Tx, number string) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO effect (position, number) VALUES (0, $1)", number)
	return err
}

func (in *receiver) failure(number string) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	left := in.failures[number]
	if len(left) == 0 {
		return nil
	}
	in.failures[number] = left[1:]
	return left[0]
}

func (in *receiver) receive(batch ...event.Message) {
	in.t.Helper()
	if err := in.Receive(in.t.Context(), batch); err != nil {
		in.t.Error(err)
	}
}

// processAfter handles the events that are due after a while in which nothing arrived.
func (in *receiver) processAfter(d time.Duration) {
	in.t.Helper()
	in.CaughtUp("Sold", in.now())
	in.skipAndProcess(d)
}

// skipAndProcess is processAfter without knowing whether the inbox has caught up.
func (in *receiver) skipAndProcess(d time.Duration) {
	in.t.Helper()
	in.skip(d)
	if err := in.ProcessDue(in.t.Context()); err != nil {
		in.t.Error(err)
	}
}

func (in *receiver) want(t *testing.T, effects ...string) {
	t.Helper()
	if diff := cmp.Diff(effects, column(t, in.db, "SELECT number FROM effect ORDER BY position")); diff != "" {
		t.Errorf("effects (-want +got):\n%s", diff)
	}
}

func (in *receiver) wantParked(t *testing.T, states ...string) {
	t.Helper()
	got := column(t, in.db, "SELECT id || ' ' || state FROM inbox_parked ORDER BY sequence, id")
	if diff := cmp.Diff(states, got); diff != "" {
		t.Errorf("parked (-want +got):\n%s", diff)
	}
}

// sales returns n first events of n policies.
func sales(n int) []event.Message {
	batch := make([]event.Message, n)
	for i := range batch {
		id := uuid.NewString()
		batch[i] = event.Message{
			ID: id, Type: "Sold", Source: "policy", PartitionKey: id, Sequence: 1,
			Time: time.Now(), Data: fmt.Appendf(nil, `{"number":%q}`, id),
		}
	}
	return batch
}

// unordered returns an event without an order.
func unordered(number string) event.Message {
	return event.Message{ID: number, Type: "Sold", Data: fmt.Appendf(nil, `{"number":%q}`, number)}
}

// nth returns the nth event of policy P.
func nth(sequence int64) event.Message {
	m := unordered(fmt.Sprint(sequence))
	m.PartitionKey, m.Sequence = "P", sequence
	return m
}

// of returns the nth event of a policy.
func of(policy string, sequence int64) event.Message {
	m := unordered(fmt.Sprintf("%s-%d", policy, sequence))
	m.PartitionKey, m.Sequence = policy, sequence
	return m
}

func from(source string, m event.Message) event.Message {
	m.Source = source
	return m
}

func eventually(t *testing.T, condition string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for !holds() {
		if ctx.Err() != nil {
			t.Fatalf("timed out waiting until %s", condition)
		}
		retry.Wait(ctx, 5*time.Millisecond)
	}
}
