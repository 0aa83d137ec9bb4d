package outbox

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley.internal/pkg/database"
	"parley.internal/pkg/database/databasetest"
	"parley.internal/pkg/event"
	"parley.internal/pkg/testenv"
)

// handlingInTheMiddle is an inbox whose handler has begun when it says so, and
// goes on when frozen is closed.
func handlingInTheMiddle(t *testing.T, db *database.DB) (in *Inbox, begun <-chan struct{}, frozen chan<- struct{}) {
	t.Helper()
	told, goesOn := make(chan struct{}, 1), make(chan struct{})
	in = handling(t, db, func(ctx context.Context, tx *database.Tx, e sold) error {
		select {
		case told <- struct{}{}:
		default:
		}
		<-goesOn
		return note(ctx, tx, e.Number)
	})
	return in, told, goesOn
}

// An inbox that cannot commit stops all the same, and soon: what is in hand is
// handed back, and comes again.
func TestAnInboxStopsSoonWithoutItsDatabase(t *testing.T) {
	server := testenv.StartPostgres(t)
	db := open(t, server.URL())
	in, begun, frozen := handlingInTheMiddle(t, db)
	batch := sales(10 * setMost)
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
		t.Error("it has taken what it could not commit")
	}
	if err := <-ran; err != nil {
		t.Error(err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	took := time.Since(since)
	server.Thaw()
	if took >= inboxTimeout { // As long as a transaction may take otherwise.
		t.Errorf("it stopped after %s", took)
	}
	again := connect(t, server.URL())
	in = handling(t, again, func(ctx context.Context, tx *database.Tx, e sold) error { return note(ctx, tx, e.Number) })
	if err := in.Receive(t.Context(), batch); err != nil {
		t.Error(err)
	}
	var want []string
	for _, m := range batch {
		want = append(want, m.ID)
	}
	if diff := cmp.Diff(sorted(want), column(t, again, "SELECT what FROM effect ORDER BY what COLLATE \"C\"")); diff != "" {
		t.Errorf("effects (-want +got):\n%s", diff)
	}
}

// A stop does not wait for all that is in hand: what is begun is committed, the
// rest is handed back.
func TestAnInboxStopsWithWhatItHasBegun(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		db := open(t, url(t))
		ctx, stop := context.WithCancel(t.Context())
		in := handling(t, db, func(ctx context.Context, tx *database.Tx, e sold) error {
			stop()
			return note(ctx, tx, e.Number)
		})
		in.Lanes = 1
		batch := sales(2 * setMost)
		if err := in.Receive(ctx, batch); !errors.Is(err, context.Canceled) {
			t.Errorf("got error %v", err)
		}
		if done := column(t, db, "SELECT what FROM effect"); len(done) != 1 {
			t.Errorf("%d were handled after the stop", len(done)-1)
		}
		if err := in.Receive(t.Context(), batch); err != nil {
			t.Error(err)
		}
		if done := column(t, db, "SELECT what FROM effect"); len(done) != len(batch) {
			t.Errorf("%d of %d were handled in the end", len(done), len(batch))
		}
	})
}

// A relay that cannot note what it has published stops all the same, and soon:
// what was not noted is published again.
func TestARelayStopsSoonWithoutItsDatabase(t *testing.T) {
	server := testenv.StartPostgres(t)
	db := open(t, server.URL())
	o := New(db, "test", quiet)
	published, frozen := make(chan struct{}), make(chan struct{})
	r := NewRelay(o, publisher(func(event.Message) error {
		published <- struct{}{}
		<-frozen
		return nil
	}))
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- r.Run(ctx) }()
	write(t, db, o, "P", nil, "sold")
	<-published
	server.Freeze()
	close(frozen)
	begun := time.Now()
	stop()
	err := <-stopped
	server.Thaw()
	if took := time.Since(begun); err != nil || took > relayGrace+2*time.Second {
		t.Errorf("it stopped after %s, error %v", took, err)
	}
}

// In one process a relay waits for the inboxes that it publishes to: their graces
// must not add up.
func TestARelayAndItsInboxStopSoonWithoutTheirDatabase(t *testing.T) {
	server := testenv.StartPostgres(t)
	db := open(t, server.URL())
	in, begun, frozen := handlingInTheMiddle(t, db)
	var direct event.Direct
	o := New(db, "test", quiet)
	fill(t, o, 2*relayBatch)
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for _, run := range []func(context.Context) error{direct.Subscribe(in.Subscription()), in.Run, NewRelay(o, &direct).Run} {
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
	if took >= inboxGrace+relayGrace {
		t.Errorf("they stopped after %s", took)
	}
}
