package outbox_test

import (
	"context"
	"fmt"
	"hash/fnv"
	"net/url"
	"os"
	"os/exec"
	"testing"
	"time"

	"parley.internal/pkg/database"
	"parley.internal/pkg/database/databasetest"
	"parley.internal/pkg/event"
	"parley.internal/pkg/outbox"
	"parley.internal/pkg/retry"
	"parley.internal/pkg/testenv"
)

func TestAnotherRelayTakesOver(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		address := url(t)
		take := publisher(func(event.Message) error { return nil })
		db := open(t, address)
		first := outbox.NewRelay(outbox.New(db, "test", quiet), take)
		stop := running(t, first)
		eventually(t, "the first relay is the leader", first.IsLeader)
		published := make(chan event.Message, 10)
		other := outbox.New(connect(t, address), "test", quiet)
		second := outbox.NewRelay(other, publisher(func(m event.Message) error { published <- m; return nil }))
		running(t, second)
		write(t, db, other, "P-1", nil, "1") // The leader publishes it, although the second relay's process wrote it.
		eventually(t, "the first relay publishes", func() bool {
			return column(t, db, "SELECT state FROM outbox_event")[0] == "sent"
		})
		if second.IsLeader() || len(published) > 0 {
			t.Error("two relays are leaders")
		}
		stop()
		begun := time.Now()
		write(t, db, other, "P-1", nil, "2")
		receive(t, published)
		if took := time.Since(begun); took > 2*time.Second || first.IsLeader() || !second.IsLeader() {
			t.Errorf("takeover took %s; leaders: first %t, second %t", took, first.IsLeader(), second.IsLeader())
		}
	})
}

// A leader that has lost its connection may have a successor: it must not publish.
func TestLeaderWithoutConnectionStopsPublishing(t *testing.T) {
	address := testenv.Postgres(t)
	db := open(t, address)
	o := outbox.New(db, "test", quiet)
	published := make(chan event.Message, 1)
	r := outbox.NewRelay(o, publisher(func(m event.Message) error { published <- m; return nil }))
	running(t, r)
	eventually(t, "the relay is the leader", r.IsLeader)
	other := connect(t, address)
	err := other.InTx(t.Context(), func(tx *database.Tx) error { // Takes the lock of the leader.
		_, err := tx.ExecContext(t.Context(), `
			SELECT pg_terminate_backend(pid) FROM pg_locks
			WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`)
		if err == nil {
			_, err = tx.ExecContext(t.Context(), "SELECT pg_advisory_xact_lock($1)", relayLock("test"))
		}
		if err != nil {
			return err
		}
		eventually(t, "the relay is not the leader", func() bool { return !r.IsLeader() })
		write(t, db, o, "P-1", nil, "1")
		if len(published) > 0 {
			t.Error("the relay published without the lease")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	receive(t, published)
}

// relayLock returns the advisory lock of a relay.
func relayLock(source string) int64 {
	key := fnv.New64a()
	_, _ = key.Write([]byte("relay " + source))
	return int64(key.Sum64())
}

// A process may be suspended at any moment, also while it settles published events: its
// successor must not wait for it.
func TestSuspendedLeaderBlocksNoSuccessor(t *testing.T) {
	address := testenv.Postgres(t)
	db := open(t, address)
	behind, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	proxy := testenv.StartProxy(t, behind.Host)
	behind.Host = proxy.Addr()
	stopped := outbox.New(connect(t, behind.String()), "test", quiet)
	locked := make(chan struct{})
	running(t, outbox.NewRelay(stopped, publisher(func(event.Message) error {
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
		eventually(t, "the relay settles", func() bool {
			return column(t, db, `SELECT count(*)::text FROM pg_stat_activity
				WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE 'UPDATE outbox_event%'`)[0] == "1"
		})
		proxy.Block()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	running(t, outbox.NewRelay(outbox.New(db, "test", quiet), publisher(func(event.Message) error { return nil })))
	eventually(t, "all events are settled", func() bool {
		return column(t, db, "SELECT count(*)::text FROM outbox_event WHERE state = 'sent'")[0] == "1"
	})
}

// leadUntilKilled runs a relay in another process of this binary.
func leadUntilKilled(url string) {
	db, err := database.Open(context.Background(), url)
	if err != nil {
		panic(err)
	}
	r := outbox.NewRelay(outbox.New(db, "test", quiet), publisher(func(event.Message) error { return nil }))
	go func() {
		for !r.IsLeader() {
			retry.Wait(context.Background(), time.Millisecond)
		}
		fmt.Fprintln(os.Stdout, "leading")
	}()
	if err := r.Run(context.Background()); err != nil {
		panic(err)
	}
}

const leaderURL = "OUTBOX_TEST_LEAD"

func TestKilledLeaderIsReplacedSoon(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		address := url(t)
		db := open(t, address)
		leader := exec.CommandContext(t.Context(), os.Args[0])
		leader.Env = append(os.Environ(), leaderURL+"="+address)
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
		o := outbox.New(db, "test", quiet)
		r := outbox.NewRelay(o, publisher(func(event.Message) error { return nil }))
		running(t, r)
		if r.IsLeader() {
			t.Fatal("two relays are leaders")
		}
		begun := time.Now()
		if err := leader.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = leader.Wait() // It was killed.
		eventually(t, "the relay is the leader", r.IsLeader)
		if took := time.Since(begun); took > 2*time.Second {
			t.Errorf("the relay became leader after %s, want 2s at most", took)
		}
	})
}
