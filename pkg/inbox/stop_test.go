package inbox_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley.internal/pkg/database"
	"parley.internal/pkg/database/databasetest"
	"parley.internal/pkg/event"
	"parley.internal/pkg/outbox"
	"parley.internal/pkg/testenv"
)

// handlingInTheMiddle returns an inbox with a handler that reports its start and
// continues when frozen is closed.
func handlingInTheMiddle(t *testing.T, db *database.DB) (in *receiver, begun <-chan struct{}, frozen chan<- struct{}) {
	t.Helper()
	told, goesOn := make(chan struct{}, 1), make(chan struct{})
	in = handling(t, db, func(ctx context.Context, tx *database.Tx, e sold) error {
		select {
		case told <- struct{}{}:
		default:
		}
		<-goesOn
		return record(ctx, tx, e.Number)
	})
	return in, told, goesOn
}

// An inbox that cannot commit stops soon: the batch is returned to the transport, and
// delivered again.
func TestInboxStopsSoonWithoutDatabase(t *testing.T) {
	server := testenv.StartPostgres(t)
	db := open(t, server.URL())
	in, begun, frozen := handlingInTheMiddle(t, db)
	batch := sales(10 * batchLimit)
	ctx, stop := context.WithCancel(t.Context())
	received, ran := make(chan error, 1), make(chan error, 1)
	go func() { received <- in.Receive(ctx, batch) }()
	go func() { ran <- in.Run(ctx) }()
	<-begun
	server.Freeze()
	close(frozen)
	since := time.Now()
	stop()
	if err := <-received; err == nil {
		t.Error("Receive returned nil without a commit")
	}
	if err := <-ran; err != nil {
		t.Error(err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	took := time.Since(since)
	server.Thaw()
	if took >= defaultTimeout { // the limit of a transaction while the inbox runs
		t.Errorf("stopped after %s", took)
	}
	again := connect(t, server.URL())
	in = handling(t, again, func(ctx context.Context, tx *database.Tx, e sold) error { return record(ctx, tx, e.Number) })
	if err := in.Receive(t.Context(), batch); err != nil {
		t.Error(err)
	}
	var want []string
	for _, m := range batch {
		want = append(want, m.ID)
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, column(t, again, "SELECT number FROM effect ORDER BY number COLLATE \"C\"")); diff != "" {
		t.Errorf("effects (-want +got):\n%s", diff)
	}
}

// A stop commits the handled events and returns the rest of the batch to the transport.
func TestInboxStopsAfterRunningHandler(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		db := open(t, url(t))
		ctx, stop := context.WithCancel(t.Context())
		in := handling(t, db, func(ctx context.Context, tx *database.Tx, e sold) error {
			stop()
			return record(ctx, tx, e.Number)
		})
		in.Workers = 1
		batch := sales(2 * batchLimit)
		if err := in.Receive(ctx, batch); !errors.Is(err, context.Canceled) {
			t.Errorf("got error %v", err)
		}
		if done := column(t, db, "SELECT number FROM effect"); len(done) != 1 {
			t.Errorf("got %d events handled after the stop, want 0", len(done)-1)
		}
		if err := in.Receive(t.Context(), batch); err != nil {
			t.Error(err)
		}
		if done := column(t, db, "SELECT number FROM effect"); len(done) != len(batch) {
			t.Errorf("in the end got %d of %d events handled", len(done), len(batch))
		}
	})
}

// In one process a relay waits for the inboxes of all subscriptions: their grace periods
// must not add up.
func TestRelayAndInboxStopSoonWithoutDatabase(t *testing.T) {
	server := testenv.StartPostgres(t)
	db := open(t, server.URL())
	in, begun, frozen := handlingInTheMiddle(t, db)
	var direct event.Direct
	if err := outbox.Migrate(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	o := outbox.New(db, "test", quiet)
	const events = 4096 // two batches of a relay
	err := db.InTx(t.Context(), func(tx *database.Tx) error {
		for n := range events {
			if err := o.Write(t.Context(), tx, fmt.Sprint("P-", n), sold{Number: fmt.Sprint(n)}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for _, run := range []func(context.Context) error{direct.Subscribe(in.Subscription()), in.Run, outbox.NewRelay(o, &direct).Run} {
		all.Go(func() {
			if err := run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	<-begun
	server.Freeze()
	close(frozen)
	since := time.Now()
	stop()
	all.Wait()
	took := time.Since(since)
	server.Thaw()
	if took >= 2*stopTimeout {
		t.Errorf("stopped after %s", took)
	}
}
