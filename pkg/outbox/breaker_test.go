package outbox_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"parley.internal/pkg/database"
	"parley.internal/pkg/database/databasetest"
	"parley.internal/pkg/event"
	"parley.internal/pkg/outbox"
)

// A full queue opens the circuit of its event type, visible to operators. Only a few of
// its events are attempted, and other types are published. When the queue has room, the
// events are published in order.
func TestFullQueueDelaysNoOtherType(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		db := open(t, url(t))
		o := outbox.New(db, "test", quiet)
		const n = 8 * batchEvents
		fill(t, db, o, n)
		var takes atomic.Bool
		var offered, taken, overtaken atomic.Int64
		others := make(chan event.Message, 1)
		r := outbox.NewRelay(o, publisher(func(m event.Message) error {
			switch {
			case m.Type == "Ended":
				others <- m
			case !takes.Load():
				offered.Add(1)
				return errors.New("the queue is full")
			case string(m.Data) != fmt.Sprintf(`{"number":"%d"}`, taken.Add(1)-1):
				overtaken.Add(1)
			default:
			}
			return nil
		}))
		running(t, r)
		eventually(t, "the circuit is open", func() bool { return len(r.OpenCircuits()) == 1 })
		for range 3 {
			if err := db.InTx(t.Context(), func(tx *database.Tx) error {
				return o.Write(t.Context(), tx, "", ended{})
			}); err != nil {
				t.Fatal(err)
			}
			receive(t, others)
		}
		if most := int64(n / 2); offered.Load() > most {
			t.Errorf("got %d attempts in vain, want at most half of the events", offered.Load())
		}
		takes.Store(true)
		eventually(t, "all events are confirmed", func() bool { return taken.Load() == n })
		eventually(t, "the circuit is closed", func() bool { return len(r.OpenCircuits()) == 0 })
		if n := overtaken.Load(); n > 0 {
			t.Errorf("%d events were published out of order", n)
		}
	})
}

// An open circuit closes when the transport answers in another way.
func TestUnboundEventBecomesUnroutable(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		db := open(t, url(t))
		o := outbox.New(db, "test", quiet)
		var isGone atomic.Bool
		r := outbox.NewRelay(o, publisher(func(event.Message) error {
			if isGone.Load() {
				return event.ErrUnroutable
			}
			return errors.New("the queue is full")
		}))
		running(t, r)
		write(t, db, o, "", nil, "much")
		eventually(t, "the circuit is open", func() bool { return len(r.OpenCircuits()) == 1 })
		isGone.Store(true)
		eventually(t, "the event is unroutable and the circuit is closed", func() bool { return r.Unroutable() == 1 && len(r.OpenCircuits()) == 0 })
	})
}
