package inbox_test

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley.internal/pkg/database"
	"parley.internal/pkg/database/databasetest"
	"parley.internal/pkg/event"
	"parley.internal/pkg/inbox"
	"parley.internal/pkg/rabbit"
	"parley.internal/pkg/retry"
	"parley.internal/pkg/testenv"
)

// end returns the second event of a policy. Its type has a queue of its own.
func end(policy string) event.Message {
	m := of(policy, 2)
	m.Type = "Ended"
	return m
}

// queued is an inbox with slow handlers behind the queues of a broker.
type queued struct {
	*inbox.Inbox

	t         *testing.T
	db        *database.DB
	publisher *rabbit.Publisher
	consumer  *rabbit.Consumer
}

func newQueued(t *testing.T, db *database.DB, broker string, work time.Duration) *queued {
	t.Helper()
	var router event.Router[*database.Tx]
	handled := func(ctx context.Context, tx *database.Tx, number string) error {
		retry.Wait(ctx, work)
		_, err := tx.ExecContext(ctx, "INSERT INTO effect (position, number) VALUES ($1, $2)", time.Now().UnixNano(), number)
		return err
	}
	event.Handle(&router, func(ctx context.Context, tx *database.Tx, _ event.Message, e sold) error {
		return handled(ctx, tx, e.Number)
	})
	event.Handle(&router, func(ctx context.Context, tx *database.Tx, _ event.Message, e ended) error {
		return handled(ctx, tx, e.Number)
	})
	cfg := rabbit.Config{URLs: broker, Queues: "chat-Sold,chat-Ended", Prefetch: 50, Log: quiet}
	publisher, err := rabbit.NewPublisher(cfg)
	if err != nil {
		t.Fatal(err)
	}
	consumer, err := rabbit.NewConsumer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	q := &queued{Inbox: inbox.New(db, "chat", &router, quiet), t: t, db: db, publisher: publisher, consumer: consumer}
	q.Workers = 1
	q.GapTimeout = 250 * time.Millisecond
	q.run(publisher.Run)
	return q
}

// run runs a function until the test ends.
func (q *queued) run(runs ...func(context.Context) error) {
	q.t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(q.t.Context()))
	var wg sync.WaitGroup
	for _, run := range runs {
		wg.Go(func() {
			if err := run(ctx); err != nil {
				q.t.Error(err)
			}
		})
	}
	q.t.Cleanup(func() { cancel(); wg.Wait() })
}

func (q *queued) publish(batch ...event.Message) {
	q.t.Helper()
	ctx, cancel := context.WithTimeout(q.t.Context(), 30*time.Second)
	defer cancel()
	for len(batch) > 0 && ctx.Err() == nil {
		var again []event.Message
		for i, err := range q.publisher.Publish(ctx, batch) {
			if err != nil {
				again = append(again, batch[i])
			}
		}
		batch = again
	}
	if len(batch) > 0 {
		q.t.Errorf("%d messages were not published", len(batch))
	}
}

func (q *queued) effects(policy string) []string {
	return column(q.t, q.db, fmt.Sprintf("SELECT number FROM effect WHERE number LIKE '%s-%%' ORDER BY position", policy))
}

// A purchase at the end of a long queue is late, not missing. The termination of the
// same policy arrives through a short queue.
func TestEventWaitsForPredecessorFarBackInQueue(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		q := newQueued(t, open(t, url(t)), testenv.RabbitMQ(t), 4*time.Millisecond)
		const n = 500
		var backlog []event.Message
		for i := range n {
			backlog = append(backlog, of(fmt.Sprint("P", i), 1))
		}
		last := fmt.Sprint("P", n-1)
		q.publish(append(backlog, end(last))...)
		q.run(q.consumer.Subscribe(q.Subscription()), q.Run)
		eventually(t, "both are handled", func() bool { return len(q.effects(last)) == 2 })
		if diff := cmp.Diff([]string{last + "-1", last + "-2"}, q.effects(last)); diff != "" {
			t.Errorf("effects (-want +got):\n%s", diff)
		}
		if gaps := q.Counts().Gaps; gaps != 0 {
			t.Errorf("got %d gaps", gaps)
		}
	})
}

// An event without its predecessor is handled although traffic never ends.
func TestGapIsSkippedUnderEndlessTraffic(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		q := newQueued(t, open(t, url(t)), testenv.RabbitMQ(t), time.Millisecond)
		q.run(q.consumer.Subscribe(q.Subscription()), q.Run)
		stop := make(chan struct{})
		var wg sync.WaitGroup
		defer wg.Wait()
		wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
					q.publish(of(fmt.Sprint("T", n), 1))
				}
			}
		})
		defer close(stop)
		q.publish(end("P"))
		eventually(t, "the gap is passed over", func() bool { return len(q.effects("P")) == 1 })
		if gaps := q.Counts().Gaps; gaps != 1 {
			t.Errorf("got %d gaps", gaps)
		}
	})
}

// The wait for a predecessor does not begin before the inbox has caught up.
func TestEventWaitsUntilInboxHasCaughtUp(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		in := newReceiver(t, url(t))
		in.CaughtUp("Sold", in.now())
		in.receive(nth(2))
		in.skipAndProcess(gapLimit / 2)
		in.wantParked(t, "2 waiting")
		in.CaughtUp("Sold", in.now())
		in.skipAndProcess(gapTimeout / 2)
		in.wantParked(t, "2 waiting")
		in.skipAndProcess(2 * gapTimeout)
		in.want(t, "2")
		in.receive(nth(4))
		in.skipAndProcess(2 * gapLimit)
		in.want(t, "2", "4")
	})
}

func TestOrder(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		tests := map[string]struct {
			failures map[string][]error
			do       func(in *receiver)
			effects  []string
			parked   []string
		}{
			"an event waits for its predecessor": {
				do:     func(in *receiver) { in.receive(nth(3)); in.receive(nth(2)); in.processAfter(time.Second) },
				parked: []string{"2 waiting", "3 waiting"},
			},
			"and is handled with it": {
				do:      func(in *receiver) { in.receive(nth(3), nth(2)); in.receive(nth(1)) },
				effects: []string{"1", "2", "3"},
			},
			"other partitions do not wait": {
				do:      func(in *receiver) { in.receive(nth(2), unordered("a")) },
				effects: []string{"a"}, parked: []string{"2 waiting"},
			},
			"it waits for so long, then there is a gap": {
				do:      func(in *receiver) { in.receive(nth(2), nth(3)); in.processAfter(gapTimeout + time.Second) },
				effects: []string{"2", "3"},
			},
			"what comes after the gap was declared is handled late": {
				do: func(in *receiver) {
					in.receive(nth(2))
					in.processAfter(gapTimeout + time.Second)
					in.receive(nth(1), nth(3))
				},
				effects: []string{"2", "1", "3"},
			},
			"a failed event parks its successors": {
				failures: map[string][]error{"1": {errTransient, errTransient, errTransient}},
				do:       func(in *receiver) { in.receive(nth(1), nth(2)); in.receive(nth(3)); in.processAfter(time.Minute) },
				parked:   []string{"1 retry", "2 waiting", "3 waiting"},
			},
			"until it succeeds": {
				failures: map[string][]error{"1": {errTransient, errTransient}},
				do:       func(in *receiver) { in.receive(nth(1), nth(2)); in.receive(nth(3)); in.processAfter(time.Minute) },
				effects:  []string{"1", "2", "3"},
			},
			"or is dead": {
				failures: map[string][]error{"1": {errPermanent, errPermanent}},
				do:       func(in *receiver) { in.receive(nth(1), nth(2)) },
				effects:  []string{"2"}, parked: []string{"1 dead"},
			},
			"a successor that fails does not undo its predecessor": {
				failures: map[string][]error{"2": {errTransient, errTransient}},
				do:       func(in *receiver) { in.receive(nth(3), nth(2)); in.receive(nth(1)) },
				effects:  []string{"1"}, parked: []string{"2 retry", "3 waiting"},
			},
			"and is tried again in its turn": {
				failures: map[string][]error{"2": {errTransient, errTransient}},
				do: func(in *receiver) {
					in.receive(nth(3), nth(2))
					in.receive(nth(1))
					in.processAfter(time.Minute)
					in.processAfter(time.Hour)
				},
				effects: []string{"1", "2", "3"},
			},
			"a successor that never succeeds is dead only after its predecessor": {
				failures: map[string][]error{"2": {errPermanent, errPermanent, errPermanent}},
				do: func(in *receiver) {
					in.receive(nth(3), nth(2))
					in.receive(nth(1))
					in.processAfter(time.Minute)
				},
				effects: []string{"1", "3"}, parked: []string{"2 dead"},
			},
			"a copy of what waits is one": {
				do:      func(in *receiver) { in.receive(nth(2), nth(2)); in.receive(nth(2)); in.receive(nth(1)) },
				effects: []string{"1", "2"},
			},
		}
		for name, tt := range tests {
			t.Run(name, func(t *testing.T) {
				in := newReceiver(t, url(t))
				maps.Copy(in.failures, tt.failures)
				tt.do(in)
				in.want(t, tt.effects...)
				in.wantParked(t, tt.parked...)
			})
		}
	})
}
