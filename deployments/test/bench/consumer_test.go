package bench

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	amqp "github.com/rabbitmq/amqp091-go"

	chat "parley.internal/chat/server"
	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
	"parley.internal/pkg/inbox"
	"parley.internal/pkg/outbox"
	"parley.internal/pkg/rabbit"
	"parley.internal/pkg/testenv"
)

// policyCreated is the event, as a consumer decodes it.
type policyCreated struct {
	PolicyNumber string `json:"policyNumber"`
}

func (policyCreated) Type() string { return eventType }

// fill publishes n messages of n/2 partition keys. Every poisonEach-th message
// has a body that does not decode; 0: none.
func fill(tb testing.TB, ch *amqp.Channel, n, poisonEach int) {
	tb.Helper()
	run := uuid.NewString()
	var open []*amqp.DeferredConfirmation
	for i := range n {
		p := publishing(i)
		p.Headers["cloudEvents:partitionkey"] = fmt.Sprintf("%s-%d", run, i/2)
		p.Headers["cloudEvents:sequence"] = fmt.Sprint(i%2 + 1)
		if poisonEach > 0 && i%poisonEach == poisonEach-1 {
			p.Body = []byte(`{"policyNumber":7}`)
		}
		confirm, err := ch.PublishWithDeferredConfirm(exchange, eventType, true, false, p)
		must(tb, err)
		if open = append(open, confirm); len(open) == window {
			confirmed(tb, open)
			open = open[:0]
		}
	}
	confirmed(tb, open)
}

// consume measures the time in which a new consumer with a new database handles
// n messages that are ready in its queue.
func consume(tb testing.TB, url string, ch *amqp.Channel, n, poisonEach, workers int, work time.Duration) time.Duration {
	tb.Helper()
	name := "bench-" + uuid.NewString()
	bind(tb, ch, name+"-"+eventType)
	fill(tb, ch, n, poisonEach)
	db := service(tb, testenv.Postgres(tb))
	var router event.Router[*database.Tx]
	var handled atomic.Int64
	event.Handle(&router, func(ctx context.Context, tx *database.Tx, _ event.Message, _ policyCreated) error {
		if work > 0 {
			select {
			case <-time.After(work):
			case <-ctx.Done():
			}
		}
		handled.Add(1)
		return nil
	})
	inbox := inbox.New(db, name, &router, slog.New(slog.DiscardHandler))
	inbox.Workers = workers
	consumer := newConsumer(tb, url)
	begun := time.Now()
	stop := background(tb, inbox.Run,
		consumer.Subscribe(inbox.Subscription()))
	until(tb, func() bool {
		done := inbox.Counts()
		return done.Handled+done.Failed >= int64(n)
	})
	took := time.Since(begun)
	stop()
	if handled.Load() < int64(n-n/50) {
		tb.Fatalf("got %d events handled, want %d", handled.Load(), n)
	}
	_, err := ch.QueueDelete(name+"-"+eventType, false, false, false)
	must(tb, err)
	return took
}

func TestConsumer(t *testing.T) {
	url := testenv.RabbitMQ(t)
	ch := channel(t, url)
	inboxes, workers := newTable("events/s"), newTable("events/s")
	n, slow := scaled(20_000), scaled(2_000)
	for round := range *rounds {
		fmt.Printf("round %d\n", round+1)
		inboxes.add("inbox on PostgreSQL, empty handler", rate(n, consume(t, url, ch, n, 0, 0, 0)))
		inboxes.add("the same with 1 % poison", rate(n, consume(t, url, ch, n, 100, 0, 0)))
		inboxes.add("chat: a notice each, in one stream", rate(n, consumeByChat(t, url, ch, n)))
		workers.add("one worker, 5 ms handler", rate(slow/4, consume(t, url, ch, slow/4, 0, 1, 5*time.Millisecond)))
		workers.add("16 workers, 5 ms handler", rate(slow, consume(t, url, ch, slow, 0, 16, 5*time.Millisecond)))
	}
	inboxes.print("Consuming", "inbox on PostgreSQL, empty handler")
	workers.print("Workers", "one worker, 5 ms handler")
}

// consumeByChat measures the chat service, from its queue into its log.
func consumeByChat(tb testing.TB, url string, ch *amqp.Channel, n int) time.Duration {
	tb.Helper()
	const queue = "lab-chat-service-" + eventType
	slog.SetDefault(slog.New(slog.NewJSONHandler(io.Discard, nil))) // The cost of logging each step is included.
	bind(tb, ch, queue)
	fill(tb, ch, n, 0)
	address := testenv.Postgres(tb)
	s, err := chat.New(tb.Context(), chat.Config{
		DatabaseURL: address, Secret: []byte("0123456789abcdef0123456789abcdef"),
		Broker: rabbit.Config{URLs: url, Exchange: exchange}, Log: slog.New(slog.NewJSONHandler(io.Discard, nil)),
	})
	must(tb, err)
	db := service(tb, address)
	begun := time.Now()
	stop := background(tb, s.Run)
	until(tb, func() bool {
		var head int
		_, err := database.One(tb.Context(), db.Reader(), "SELECT head FROM stream WHERE id = 'Company'", nil, &head)
		must(tb, err)
		return head == n
	})
	took := time.Since(begun)
	stop()
	_, err = ch.QueueDelete(queue, false, false, false)
	must(tb, err)
	return took
}

// TestLatency measures the time from the commit to the start of the handler, in
// an otherwise idle system.
func TestLatency(t *testing.T) {
	url := testenv.RabbitMQ(t)
	bind(t, channel(t, url), "latency-"+eventType) // Otherwise the first event is unroutable, and published again after half a minute.
	log := slog.New(slog.DiscardHandler)
	seller, reader := service(t, testenv.Postgres(t)), service(t, testenv.Postgres(t))
	publisher, consumer := startPublisher(t, url), newConsumer(t, url)
	handled := make(chan time.Time, 1)
	var router event.Router[*database.Tx]
	event.Handle(&router, func(context.Context, *database.Tx, event.Message, policyCreated) error {
		handled <- time.Now()
		return nil
	})
	inbox := inbox.New(reader, "latency", &router, log)
	box := outbox.New(seller, "policy", log)
	background(t, outbox.NewRelay(box, publisher).Run, inbox.Run,
		consumer.Subscribe(inbox.Subscription()))
	var samples []time.Duration
	pace := time.NewTicker(10 * time.Millisecond)
	defer pace.Stop()
	for i := range scaled(1000) {
		<-pace.C
		var committed time.Time
		must(t, seller.InTx(t.Context(), func(tx *database.Tx) error {
			tx.AfterCommit(func() { committed = time.Now() })
			return box.Write(t.Context(), tx, fmt.Sprintf("P-%d", i), fact(body(i)))
		}))
		at := <-handled
		if i >= 50 { // The first events also measure opening connections.
			samples = append(samples, at.Sub(committed))
		}
	}
	slices.Sort(samples)
	fmt.Printf("\nCommit to handler, idle system, RabbitMQ and PostgreSQL (%d events)\n  p50 %s  p90 %s  p99 %s  max %s\n\n", len(samples),
		quantile(samples, 0.5), quantile(samples, 0.9), quantile(samples, 0.99), samples[len(samples)-1])
}

// TestDirect measures the transport within a process, including relay and inbox.
func TestDirect(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	results := newTable("events/s")
	n := scaled(10_000)
	databases := map[string]func() string{
		"SQLite":     func() string { return "sqlite:" + t.TempDir() + "/bench.db" },
		"PostgreSQL": func() string { return testenv.Postgres(t) },
	}
	for round := range *rounds {
		fmt.Printf("round %d\n", round+1)
		for _, kind := range []string{"SQLite", "PostgreSQL"} {
			db, reader := service(t, databases[kind]()), service(t, databases[kind]())
			box := outbox.New(db, "policy", log)
			var direct event.Direct
			var router event.Router[*database.Tx]
			event.Handle(&router, func(context.Context, *database.Tx, event.Message, policyCreated) error { return nil })
			inbox := inbox.New(reader, "direct", &router, log)
			run := direct.Subscribe(inbox.Subscription())
			record(t, db, box, n)
			begun := time.Now()
			stop := background(t, run, inbox.Run, outbox.NewRelay(box, &direct).Run)
			published(t, db)
			results.add("direct, "+kind, rate(n, time.Since(begun)))
			stop()
		}
	}
	results.print("Direct transport, outbox to inbox", "direct, SQLite")
}
