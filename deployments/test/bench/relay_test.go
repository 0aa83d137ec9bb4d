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
	"parley.internal/pkg/inbox"
	"parley.internal/pkg/outbox"
	"parley.internal/pkg/rabbit"
	"parley.internal/pkg/testenv"
)

var (
	rounds = flag.Int("rounds", 5, "number of rounds; each round measures every subject once")
	scale  = flag.Float64("scale", 1, "factor for the work of a round; the documented results are of 1")
)

func scaled(n int) int { return max(10, int(float64(n)**scale)) }

// fact is an event whose body is encoded already.
type fact json.RawMessage

func (fact) Type() string                   { return eventType }
func (f fact) MarshalJSON() ([]byte, error) { return f, nil }

// service opens a database and creates the tables of outbox and inbox.
func service(tb testing.TB, url string) *database.DB {
	tb.Helper()
	db, err := database.Open(tb.Context(), url)
	must(tb, err)
	tb.Cleanup(func() { _ = db.Close() })
	must(tb, outbox.Migrate(tb.Context(), db))
	must(tb, inbox.Migrate(tb.Context(), db))
	return db
}

// record writes n events, two of each partition key.
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

// startPublisher runs a publisher until the test ends.
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

// background runs functions until stop is called or the test ends.
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

// published waits until no event is pending. The query reads a partial index,
// whose size does not depend on earlier events.
func published(tb testing.TB, db *database.DB) {
	tb.Helper()
	until(tb, func() bool {
		var pending int
		_, err := database.One(tb.Context(), db.Reader(),
			"SELECT count(*) FROM outbox_event WHERE state = 'pending'", nil, &pending)
		must(tb, err)
		return pending == 0
	})
}

// until waits for a condition, which it checks a hundred times a second.
func until(tb testing.TB, holds func() bool) {
	tb.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(3 * time.Minute)
	for range tick.C {
		if holds() {
			return
		}
		if time.Now().After(deadline) {
			tb.Fatal("not within three minutes")
		}
	}
}

// TestRelay compares the relay with the upper limit and with common publishers.
func TestRelay(t *testing.T) {
	url := testenv.RabbitMQ(t)
	ch := channel(t, url)
	bind(t, ch, "bench-queue")
	db := service(t, testenv.Postgres(t))
	log := slog.New(slog.DiscardHandler)
	box := outbox.New(db, "policy", log)
	publisher := startPublisher(t, url)
	results := newTable("events/s")
	n, few := scaled(20_000), scaled(2_000)
	for round := range *rounds {
		fmt.Printf("round %d\n", round+1)
		results.add("raw amqp091-go, pipelined", rate(n, pipelined(t, ch, n)))
		results.add("raw, one confirm at a time", rate(few, oneByOne(t, ch, few)))
		results.add("Watermill's pattern, a channel each", rate(few, watermill(t, url, few)))
		record(t, db, box, n)
		begun := time.Now()
		stop := background(t, outbox.NewRelay(box, publisher).Run)
		published(t, db)
		results.add("Parley's relay, from PostgreSQL", rate(n, time.Since(begun)))
		stop()
		purge(t, ch, "bench-queue")
	}
	results.print("Publishing", "raw amqp091-go, pipelined")
	results.print("Publishing", "raw, one confirm at a time")
}
