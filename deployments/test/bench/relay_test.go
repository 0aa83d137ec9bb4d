package bench

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"parley.internal/pkg/database"
	"parley.internal/pkg/outbox"
	"parley.internal/pkg/rabbit"
	"parley.internal/pkg/testenv"
)

var (
	rounds = flag.Int("rounds", 5, "how often each figure is taken, one way after the other")
	scale  = flag.Float64("scale", 1, "how much work a round is; the figures in the documentation are of 1")
)

func scaled(n int) int { return max(10, int(float64(n)**scale)) }

// fact is an event with a body that is ready.
type fact json.RawMessage

func (fact) Type() string                   { return eventType }
func (f fact) MarshalJSON() ([]byte, error) { return f, nil }

// service is a database with the tables of outbox and inbox.
func service(tb testing.TB, url string) *database.DB {
	tb.Helper()
	db, err := database.Open(tb.Context(), url)
	must(tb, err)
	tb.Cleanup(func() { _ = db.Close() })
	must(tb, outbox.Migrate(tb.Context(), db))
	return db
}

// record writes n events, two of each partition.
func record(tb testing.TB, db *database.DB, box *outbox.Outbox, n int) {
	tb.Helper()
	for i := 0; i < n; i += 500 {
		must(tb, db.InTx(tb.Context(), func(tx *database.Tx) error {
			for j := i; j < min(i+500, n); j += 2 {
				key := fmt.Sprintf("P-%d-%d", time.Now().UnixNano(), j)
				if err := box.Write(tb.Context(), tx, key, fact(body(j)), fact(body(j))); err != nil {
					return err
				}
			}
			return nil
		}))
	}
}

func brokerConfig(url string) rabbit.Config {
	return rabbit.Config{URLs: url, Exchange: exchange, Log: slog.New(slog.DiscardHandler)}
}

// startPublisher runs a publisher until the test has ended.
func startPublisher(tb testing.TB, url string) *rabbit.Publisher {
	tb.Helper()
	p, err := rabbit.NewPublisher(brokerConfig(url))
	must(tb, err)
	background(tb, p.Run)
	return p
}

func newConsumer(tb testing.TB, url string) *rabbit.Consumer {
	tb.Helper()
	c, err := rabbit.NewConsumer(brokerConfig(url))
	must(tb, err)
	return c
}

// background runs something until the test has ended.
func background(tb testing.TB, run ...func(context.Context) error) (stop func()) {
	tb.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var group errgroup.Group
	for _, f := range run {
		group.Go(func() error { return f(ctx) })
	}
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := group.Wait(); err != nil {
			tb.Error(err)
		}
	}
	tb.Cleanup(stop)
	return stop
}

// sent waits until nothing is to be published any more. What it asks for is
// counted by a small index, whatever was published before.
func sent(tb testing.TB, db *database.DB) {
	tb.Helper()
	until(tb, func() bool {
		var pending int
		_, err := database.One(tb.Context(), db.Reader(),
			"SELECT count(*) FROM outbox_event WHERE state = 'pending'", nil, &pending)
		must(tb, err)
		return pending == 0
	})
}

// until looks a hundred times a second whether something is so.
func until(tb testing.TB, so func() bool) {
	tb.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(3 * time.Minute)
	for range tick.C {
		if so() {
			return
		}
		if time.Now().After(deadline) {
			tb.Fatal("it takes too long")
		}
	}
}

// TestRelay compares the relay with the limit and with what is usual.
func TestRelay(t *testing.T) {
	url := testenv.RabbitMQ(t)
	ch := channel(t, url)
	bind(t, ch, "bench-queue")
	db := service(t, testenv.Postgres(t))
	log := slog.New(slog.DiscardHandler)
	box := outbox.New(db, "policy", log)
	publisher := startPublisher(t, url)
	figures := newTable("events/s")
	n, few := scaled(20_000), scaled(2_000)
	for round := range *rounds {
		fmt.Printf("round %d\n", round+1)
		figures.add("raw amqp091-go, pipelined", rate(n, pipelined(t, ch, n)))
		figures.add("raw, one confirm at a time", rate(few, oneByOne(t, ch, few)))
		figures.add("Watermill's pattern, a channel each", rate(few, watermill(t, url, few)))
		record(t, db, box, n)
		begun := time.Now()
		stop := background(t, outbox.NewRelay(box, publisher).Run)
		sent(t, db)
		figures.add("Parley's relay, from PostgreSQL", rate(n, time.Since(begun)))
		stop()
		purge(t, ch, "bench-queue")
	}
	figures.print("Publishing", "raw amqp091-go, pipelined")
	figures.print("Publishing", "raw, one confirm at a time")
}
