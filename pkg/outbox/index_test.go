package outbox

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
	"parley.internal/pkg/testenv"
)

type renewed struct{}

func (renewed) Type() string { return "Renewed" }

// accept is a transport that confirms all messages.
type accept chan event.Message

func (a accept) Publish(_ context.Context, batch []event.Message) []error {
	for _, m := range batch {
		a <- m
	}
	return make([]error, len(batch))
}

// An open transaction keeps PostgreSQL from clearing the index of pending events. A fast
// read must not walk over all of the index.
func TestOpenTransactionDoesNotSlowReads(t *testing.T) {
	db, err := database.Open(t.Context(), testenv.Postgres(t))
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
	o := New(db, "test", slog.New(slog.DiscardHandler))
	write := func(n int) error {
		return db.InTx(t.Context(), func(tx *database.Tx) error {
			for range n {
				if err := o.Write(t.Context(), tx, "", renewed{}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err = db.InSnapshot(t.Context(), func(tx *database.Tx) error {
		var one int
		if _, err := database.One(t.Context(), tx, "SELECT 1 FROM outbox_event", nil, &one); err != nil {
			return err
		}
		for range 20 {
			if err := write(1000); err != nil {
				return err
			}
		}
		if _, err := db.Exec(t.Context(), "UPDATE outbox_event SET state = 'sent'"); err != nil {
			return err
		}
		// As if all these events were older than recent.
		fast, full := pages(t, db, firstID(time.Now())), pages(t, db, "")
		if fast > 20 || full < 10*fast {
			t.Errorf("a fast read reads %d pages, a full read %d", fast, full)
		}
		ctx, stop := context.WithCancel(t.Context())
		published, stopped := make(accept, 10), make(chan error, 1)
		go func() { stopped <- NewRelay(o, published).Run(ctx) }()
		defer func() {
			stop()
			if err := <-stopped; err != nil {
				t.Error(err)
			}
		}()
		if err := write(1); err != nil {
			return err
		}
		select {
		case <-published:
		case <-time.After(30 * time.Second):
			t.Error("the event was not published")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

var buffers = regexp.MustCompile(`Buffers: shared (?:hit=(\d+) ?)?(?:read=(\d+))?`)

// pages returns how many pages PostgreSQL reads to find pending events.
func pages(t *testing.T, db *database.DB, from string) (n int) {
	t.Helper()
	plan, err := database.All(t.Context(), db.Reader(), func(scan func(...any) error) (line string, err error) {
		return line, scan(&line)
	}, "EXPLAIN (ANALYZE, BUFFERS) SELECT id FROM outbox_event WHERE "+fmt.Sprintf(firstPending, ""),
		database.Instant(time.Now()), batchEvents, from)
	if err != nil {
		t.Fatal(err)
	}
	for _, pages := range buffers.FindStringSubmatch(strings.Join(plan, "\n"))[1:] {
		if pages, err := strconv.Atoi(pages); err == nil {
			n += pages
		}
	}
	return n
}
