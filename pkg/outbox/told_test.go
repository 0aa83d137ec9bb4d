package outbox

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
)

// told is an inbox whose handler writes what it was told into effect, and
// fails as failures says.
type told struct {
	*Inbox

	t        *testing.T
	db       *database.DB
	mu       sync.Mutex
	failures map[string][]error // per number, one for each attempt
}

func newTold(t *testing.T, url string) *told {
	t.Helper()
	return newToldIn(t, open(t, url))
}

func newToldIn(t *testing.T, db *database.DB) *told {
	t.Helper()
	in := &told{t: t, db: db, failures: map[string][]error{}}
	var router event.Router[*database.Tx]
	event.Handle(&router, func(ctx context.Context, tx *database.Tx, _ event.Message, e sold) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO effect (position, what)
			SELECT COALESCE(MAX(position), 0) + 1, CAST($1 AS text) FROM effect`, e.Number); err != nil {
			return err
		}
		return in.failure(e.Number)
	})
	in.Inbox = NewInbox(db, "chat", &router, quiet)
	return in
}

func (in *told) failure(number string) error {
	in.mu.Lock()
	defer in.mu.Unlock()
	left := in.failures[number]
	if len(left) == 0 {
		return nil
	}
	in.failures[number] = left[1:]
	return left[0]
}

func (in *told) receive(batch ...event.Message) {
	in.t.Helper()
	if err := in.Receive(in.t.Context(), batch); err != nil {
		in.t.Error(err)
	}
}

// sweep is a look at what is due after some time in which nothing came.
func (in *told) sweep(after time.Duration) {
	in.t.Helper()
	in.CaughtUp("Sold", time.Now())
	if err := in.redo(in.t.Context(), time.Now().Add(after)); err != nil {
		in.t.Error(err)
	}
}

func (in *told) want(effects ...string) {
	in.t.Helper()
	if diff := cmp.Diff(effects, column(in.t, in.db, "SELECT what FROM effect ORDER BY position")); diff != "" {
		in.t.Errorf("effects (-want +got):\n%s", diff)
	}
}

func (in *told) wantParked(states ...string) {
	in.t.Helper()
	got := column(in.t, in.db, "SELECT id || ' ' || state FROM inbox_parked ORDER BY sequence, id")
	if diff := cmp.Diff(states, got); diff != "" {
		in.t.Errorf("parked (-want +got):\n%s", diff)
	}
}

// loose has no order; nth is the nth event of policy P.
func loose(number string) event.Message {
	return event.Message{ID: number, Type: "Sold", Data: fmt.Appendf(nil, `{"number":%q}`, number)}
}

func nth(sequence int64) event.Message {
	m := loose(fmt.Sprint(sequence))
	m.PartitionKey, m.Sequence = "P", sequence
	return m
}

var (
	errWeather = errors.New("the database is away")
	errNever   = event.Permanent(errors.New("no such product"))
)
