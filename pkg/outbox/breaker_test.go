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

// However much waits for a queue that is full: an operator sees it, only a little
// of it is tried, and what others are told goes on. Then it is published in its
// order.
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
		eventually(t, "it is seen", func() bool { return len(r.OpenCircuits()) == 1 })
		for range 3 {
			if err := db.InTx(t.Context(), func(tx *database.Tx) error {
				return o.Write(t.Context(), tx, "", ended{})
			}); err != nil {
				t.Fatal(err)
			}
			receive(t, others)
		}
		if most := int64(n / 2); offered.Load() > most {
			t.Errorf("%d were tried in vain", offered.Load())
		}
		takes.Store(true)
		eventually(t, "all are taken", func() bool { return taken.Load() == n })
		eventually(t, "it is over", func() bool { return len(r.OpenCircuits()) == 0 })
		if n := overtaken.Load(); n > 0 {
			t.Errorf("%d were published out of order", n)
		}
	})
}

// A type that the transport answers for in another way is no longer one that it
// does not take.
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
		eventually(t, "it is seen", func() bool { return len(r.OpenCircuits()) == 1 })
		isGone.Store(true)
		eventually(t, "it is another state", func() bool { return r.Unroutable() == 1 && len(r.OpenCircuits()) == 0 })
	})
}
