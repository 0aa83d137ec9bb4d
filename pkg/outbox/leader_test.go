package outbox

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"testing"
	"time"

	"parley.internal/pkg/database"
	"parley.internal/pkg/database/databasetest"
	"parley.internal/pkg/event"
	"parley.internal/pkg/testenv"
)

func TestOneRelayLeadsAndAnotherTakesOver(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		address := url(t)
		take := publisher(func(event.Message) error { return nil })
		db := open(t, address)
		first := NewRelay(New(db, "test", quiet), take)
		stop := running(t, first)
		until(t, "the first one leads", first.Leading)
		published := make(chan event.Message, 10)
		other := New(connect(t, address), "test", quiet)
		second := NewRelay(other, publisher(func(m event.Message) error { published <- m; return nil }))
		running(t, second)
		write(t, db, other, "P-1", nil, "1") // It is the first one's, though it was written beside the second.
		until(t, "the first one publishes", func() bool {
			return column(t, db, "SELECT state FROM outbox_event")[0] == "sent"
		})
		if second.Leading() || len(published) > 0 {
			t.Error("both lead")
		}
		stop()
		begun := time.Now()
		write(t, db, other, "P-1", nil, "2")
		receive(t, published)
		if took := time.Since(begun); took > 2*time.Second || first.Leading() || !second.Leading() {
			t.Errorf("taken over after %s; the first leads: %t, the second: %t", took, first.Leading(), second.Leading())
		}
	})
}

// A leader that has lost its connection may have a successor: it must not
// publish.
func TestALeaderThatLostItsConnectionPublishesNoMore(t *testing.T) {
	db := open(t, testenv.Postgres(t))
	o := New(db, "test", quiet)
	l, err := o.lead(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if other, err := o.lead(t.Context()); other != nil || err != nil {
		t.Fatalf("somebody else leads, too: error %v", err)
	}
	write(t, db, o, "P-1", nil, "1")
	_, err = db.Exec(t.Context(), `
		SELECT pg_terminate_backend(pid) FROM pg_locks
		WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		NewRelay(o, publisher(func(event.Message) error { t.Error("it publishes"); return nil })).relay(t.Context(), l)
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(30 * time.Second):
		t.Fatal("it still leads")
	}
	if err := l.release(); err != nil {
		t.Error(err)
	}
	published := make(chan event.Message, 1)
	relay(t, o, publisher(func(m event.Message) error { published <- m; return nil }))
	receive(t, published)
}

// A process may be stopped at any moment, also while it notes what it has
// published: its successor must not wait until it goes on.
func TestALeaderThatIsStoppedWhileItSettlesHoldsUpNobody(t *testing.T) {
	address := testenv.Postgres(t)
	db := open(t, address)
	behind, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	proxy := testenv.StartProxy(t, behind.Host)
	behind.Host = proxy.Addr()
	stopped := New(connect(t, behind.String()), "test", quiet)
	locked := make(chan struct{})
	running(t, NewRelay(stopped, publisher(func(event.Message) error {
		select {
		case <-locked:
		case <-t.Context().Done():
		}
		return nil
	})))
	t.Cleanup(proxy.Unblock)
	write(t, db, stopped, "P-1", nil, "1")

	// It settles when the test lets go of the row, and hears no answer.
	err = db.InTx(t.Context(), func(tx *database.Tx) error {
		if _, err := tx.ExecContext(t.Context(), "SELECT 1 FROM outbox_event FOR UPDATE"); err != nil {
			return err
		}
		close(locked)
		until(t, "it settles", func() bool {
			return column(t, db, `SELECT count(*)::text FROM pg_stat_activity
				WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'UPDATE outbox_event%'`)[0] == "1"
		})
		proxy.Block()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	running(t, NewRelay(New(db, "test", quiet), publisher(func(event.Message) error { return nil })))
	until(t, "all is settled", func() bool {
		return column(t, db, "SELECT count(*)::text FROM outbox_event WHERE state = 'sent'")[0] == "1"
	})
}

// leadUntilKilled is what this binary does as another process.
func leadUntilKilled(url string) {
	db, err := database.Open(context.Background(), url)
	if err != nil {
		panic(err)
	}
	r := NewRelay(New(db, "test", quiet), publisher(func(event.Message) error { return nil }))
	go func() {
		for !r.Leading() {
			wait(context.Background(), time.Millisecond)
		}
		fmt.Fprintln(os.Stdout, "leading")
	}()
	if err := r.Run(context.Background()); err != nil {
		panic(err)
	}
}

const leadURL = "OUTBOX_TEST_LEAD"

func TestAKilledLeaderIsReplacedSoon(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		address := url(t)
		db := open(t, address)
		leader := exec.CommandContext(t.Context(), os.Args[0])
		leader.Env = append(os.Environ(), leadURL+"="+address)
		says, err := leader.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := leader.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := says.Read(make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
		o := New(db, "test", quiet)
		r := NewRelay(o, publisher(func(event.Message) error { return nil }))
		running(t, r)
		if l, err := o.lead(t.Context()); l != nil || err != nil {
			t.Fatalf("the other process does not lead: error %v", err)
		}
		begun := time.Now()
		if err := leader.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = leader.Wait() // It was killed.
		until(t, "it leads", r.Leading)
		if took := time.Since(begun); took > 2*time.Second {
			t.Errorf("it took over after %s", took)
		}
	})
}
