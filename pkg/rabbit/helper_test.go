package rabbit_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"parley.internal/pkg/event"
	"parley.internal/pkg/event/eventtest"
	"parley.internal/pkg/rabbit"
	"parley.internal/pkg/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 60 * time.Second

var quiet = slog.New(slog.DiscardHandler)

// transport has all roles of one configuration.
type transport struct {
	publisher *rabbit.Publisher
	consumer  *rabbit.Consumer
	listener  *rabbit.Listener
}

func newTransport(t *testing.T, cfg rabbit.Config) (tr transport) {
	t.Helper()
	if cfg.Log == nil {
		cfg.Log = quiet
	}
	var errs [3]error
	tr.publisher, errs[0] = rabbit.NewPublisher(cfg)
	tr.consumer, errs[1] = rabbit.NewConsumer(cfg)
	tr.listener, errs[2] = rabbit.NewListener(cfg)
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
	return tr
}

// start returns a transport with a publisher that runs until the test ends.
func start(t *testing.T, cfg rabbit.Config) transport {
	t.Helper()
	tr := newTransport(t, cfg)
	run(t, tr.publisher.Run)
	return tr
}

func (tr transport) Publish(ctx context.Context, batch []event.Message) []error {
	return tr.publisher.Publish(ctx, batch)
}

func (tr transport) Subscribe(s event.Subscription) func(context.Context) error {
	return tr.consumer.Subscribe(s)
}

func (tr transport) Listen(types []string, heard func(event.Message), missed func()) func(context.Context) error {
	tr.publisher.CopyToListeners(types...)
	return tr.listener.Listen(types, heard, missed)
}

func (tr transport) Degraded() []string {
	return slices.Concat(tr.publisher.Degraded(), tr.consumer.Degraded(), tr.listener.Degraded())
}

func (tr transport) Connections() []rabbit.Connection {
	return slices.Concat(tr.publisher.Connections(), tr.consumer.Connections(), tr.listener.Connections())
}

func (tr transport) degradedBy(text string) bool {
	return strings.Contains(strings.Join(tr.Degraded(), "; "), text)
}

// awaitHealthy waits until no problem is reported.
func (tr transport) awaitHealthy(t *testing.T) {
	t.Helper()
	eventually(t, func() bool { return len(tr.Degraded()) == 0 }, func() any { return tr.Degraded() })
}

func (tr transport) awaitDegraded(t *testing.T, text string) {
	t.Helper()
	eventually(t, func() bool { return tr.degradedBy(text) }, func() any { return tr.Degraded() })
}

// run runs f until the test ends, or until stop.
func run(t *testing.T, f func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := f(ctx); err != nil {
			t.Error(err)
		}
	})
	stop = func() { cancel(); wg.Wait() }
	t.Cleanup(stop)
	return stop
}

// withPatience returns a context for waits that nobody measures.
func withPatience(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// eventually waits for a condition, and describes the state if the condition is never met.
func eventually(t *testing.T, condition func() bool, state func() any) {
	t.Helper()
	for ctx := withPatience(t); !condition(); shortPause(ctx) {
		if ctx.Err() != nil {
			t.Fatalf("condition not met, state: %v", state())
		}
	}
}

func shortPause(ctx context.Context) {
	select {
	case <-time.After(5 * time.Millisecond):
	case <-ctx.Done():
	}
}

// elapse lets time pass in the presence of a fault: its duration is a condition of the test.
func elapse(t *testing.T, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	<-ctx.Done()
}

// inbox collects the messages of a subscription or a listener.
type inbox struct {
	messages chan event.Message
}

func newInbox() inbox { return inbox{messages: make(chan event.Message, 10_000)} }

// subscribe runs a subscription until the test ends, or until stop.
func subscribe(t *testing.T, tr transport, service string, types ...string) (in inbox, stop func()) {
	t.Helper()
	in = newInbox()
	stop = run(t, tr.Subscribe(event.Subscription{Name: service, Types: types, Receive: in.receive}))
	return in, stop
}

func (in inbox) receive(_ context.Context, batch []event.Message) error {
	for _, m := range batch {
		in.messages <- m
	}
	return nil
}

func (in inbox) next(t *testing.T) event.Message {
	t.Helper()
	select {
	case m := <-in.messages:
		return m
	case <-time.After(patience):
		t.Fatal("got no message")
		return event.Message{}
	}
}

// await waits for a message, and skips others.
func (in inbox) await(t *testing.T, id string) {
	t.Helper()
	for in.next(t).ID != id {
	}
}

// expect fails the test if the next message is another.
func (in inbox) expect(t *testing.T, want event.Message) {
	t.Helper()
	if got := in.next(t); got.ID != want.ID {
		t.Errorf("got message %s, want %s", got.ID, want.ID)
	}
}

// publish publishes like a relay: until each message is confirmed.
func publish(t *testing.T, tr transport, batch ...event.Message) {
	t.Helper()
	ctx := withPatience(t)
	for len(batch) > 0 {
		var failed []event.Message
		results := tr.Publish(ctx, batch)
		for i, err := range results {
			if err != nil {
				failed = append(failed, batch[i])
			}
		}
		if batch = failed; ctx.Err() != nil {
			t.Fatalf("%d messages were not confirmed: %v", len(failed), errors.Join(results...))
		}
	}
}

// roundTrip measures the time from publishing a message to its delivery.
func roundTrip(t *testing.T, tr transport, in inbox) time.Duration {
	t.Helper()
	begun := time.Now()
	m := eventtest.Message("Created")
	publish(t, tr, m)
	in.await(t, m.ID)
	return time.Since(begun)
}

func messages(eventType string, n int) []event.Message {
	batch := make([]event.Message, n)
	for i := range batch {
		batch[i] = eventtest.Message(eventType)
	}
	return batch
}

// proxied returns a proxy in front of a broker, and the URL through the proxy.
func proxied(t *testing.T, broker string) (*testenv.Proxy, string) {
	t.Helper()
	u, err := url.Parse(broker)
	if err != nil {
		t.Fatal(err)
	}
	proxy := testenv.StartProxy(t, u.Host)
	u.Host = proxy.Addr()
	return proxy, u.String()
}

// logBuffer is a log that a test reads while it is written.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logBuffer) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), text)
}
