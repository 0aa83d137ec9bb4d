// Package eventtest is the conformance suite of event transports.
package eventtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"parley.internal/pkg/event"
)

// Transport is all ends of one transport.
type Transport interface {
	event.Publisher
	event.Subscriber
	event.Listener
}

// timeout limits every wait of the suite.
const timeout = 30 * time.Second

// Run runs the suite. Each call of start gives a transport with nothing bound.
func Run(t *testing.T, start func(t *testing.T) Transport) {
	t.Helper()
	tests := map[string]func(t *testing.T, transport Transport){
		"a message arrives as it was published":       arrivesWhole,
		"a type without a queue is unroutable":        unroutable,
		"a failed batch is delivered again":           redelivers,
		"messages wait for a stopped subscription":    waits,
		"each subscription receives a copy":           copies,
		"a subscription receives only its types":      onlyItsTypes,
		"messages of a publisher and type keep order": keepsOrder,
		"no message of many publishers is lost":       manyPublishers,
		"a stop waits for the batch in progress":      endWaits,
		"a batch in progress is not caught up with":   caughtUp,
		"endless traffic is caught up with":           caughtUpWithTraffic,
		"each listener receives its types":            listenersHear,
		"a listener is no subscription":               listenersKeepNothing,
		"a slow listener delays no other":             slowListener,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { test(t, start(t)) })
	}
}

// Message returns a message of a type with all fields set.
func Message(typ string) event.Message {
	return event.Message{
		ID: uuid.Must(uuid.NewV7()).String(), Type: typ, Source: "eventtest",
		Time:         time.Now().UTC().Truncate(time.Second),
		PartitionKey: "P-1", Sequence: 7,
		TraceParent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
		Data:        []byte(`{"text":"żółw & <b>","n":1.50}`),
	}
}

// inbox collects the messages of a subscription.
type inbox struct {
	mu       sync.Mutex
	got      []event.Message
	changed  chan struct{} // holds a single token: a message arrived since the last check
	failures int           // batches to fail first
}

func (i *inbox) receive(_ context.Context, batch []event.Message) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.failures > 0 {
		i.failures--
		return errors.New("not now")
	}
	i.got = append(i.got, batch...)
	select {
	case i.changed <- struct{}{}:
	default:
	}
	return nil
}

// distinct returns the received messages without duplicates, in the order of arrival.
func (i *inbox) distinct() []event.Message {
	i.mu.Lock()
	defer i.mu.Unlock()
	seen := map[string]bool{}
	return slices.DeleteFunc(slices.Clone(i.got), func(m event.Message) bool {
		again := seen[m.ID]
		seen[m.ID] = true
		return again
	})
}

func (i *inbox) wait(t *testing.T, n int) []event.Message {
	t.Helper()
	deadline := time.After(timeout)
	for {
		if got := i.distinct(); len(got) >= n {
			return got
		}
		select {
		case <-i.changed:
		case <-deadline:
			t.Fatalf("got %d messages, want %d", len(i.distinct()), n)
		}
	}
}

// subscribe runs a subscription until the test ends, or until stop.
func subscribe(t *testing.T, transport Transport, s event.Subscription) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	run := transport.Subscribe(s)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := run(ctx); err != nil {
			t.Error(err)
		}
	})
	stop = func() { cancel(); wg.Wait() }
	t.Cleanup(stop)
	return stop
}

func collect(t *testing.T, transport Transport, name string, failures int, types ...string) (*inbox, func()) {
	t.Helper()
	i := &inbox{changed: make(chan struct{}, 1), failures: failures}
	return i, subscribe(t, transport, event.Subscription{Name: name, Types: types, Receive: i.receive})
}

// publish publishes messages until each is confirmed, like a relay. A type is unroutable
// until its subscription is declared.
func publish(t *testing.T, transport Transport, batch ...event.Message) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	for len(batch) > 0 {
		var again []event.Message
		results := transport.Publish(ctx, batch)
		for i, err := range results {
			if err != nil {
				again = append(again, batch[i])
			}
		}
		if ctx.Err() != nil {
			t.Fatalf("%d messages were not confirmed: %v", len(again), errors.Join(results...))
		}
		batch = again
		if len(batch) > 0 {
			pause(ctx)
		}
	}
}

// pause keeps a retry from spinning.
func pause(ctx context.Context) {
	select {
	case <-time.After(5 * time.Millisecond):
	case <-ctx.Done():
	}
}

func numbered(typ string, n int) []event.Message {
	batch := make([]event.Message, n)
	for i := range batch {
		batch[i] = Message(typ)
		batch[i].Data = fmt.Appendf(nil, `{"n":%d}`, i)
	}
	return batch
}

func ids(batch []event.Message) []string {
	all := make([]string, len(batch))
	for i, m := range batch {
		all[i] = m.ID
	}
	return all
}

func arrivesWhole(t *testing.T, transport Transport) {
	i, _ := collect(t, transport, "one", 0, "Told")
	m := Message("Told")
	bare := event.Message{ID: uuid.NewString(), Type: "Told", Source: "eventtest", Time: m.Time, Data: []byte(`{}`)}
	publish(t, transport, m, bare)
	if diff := cmp.Diff([]event.Message{m, bare}, i.wait(t, 2)); diff != "" {
		t.Errorf("(-published +arrived):\n%s", diff)
	}
}

func unroutable(t *testing.T, transport Transport) {
	i, _ := collect(t, transport, "one", 0, "Wanted")
	publish(t, transport, Message("Wanted"))
	wanted := numbered("Wanted", 2)
	results := transport.Publish(t.Context(), []event.Message{wanted[0], Message("Unwanted"), wanted[1]})
	if results[0] != nil || !errors.Is(results[1], event.ErrUnroutable) || results[2] != nil {
		t.Errorf("got %v, want only the second unroutable", results)
	}
	i.wait(t, 3)
}

func redelivers(t *testing.T, transport Transport) {
	i, _ := collect(t, transport, "one", 3, "Told")
	batch := numbered("Told", 10)
	publish(t, transport, batch...)
	got := ids(i.wait(t, len(batch)))
	want := ids(batch)
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-published +arrived):\n%s", diff)
	}
}

func waits(t *testing.T, transport Transport) {
	i, stop := collect(t, transport, "one", 0, "Told")
	publish(t, transport, Message("Told"))
	i.wait(t, 1)
	stop()
	batch := numbered("Told", 5)
	var wg sync.WaitGroup
	wg.Go(func() { publish(t, transport, batch...) })
	again, _ := collect(t, transport, "one", 0, "Told")
	again.wait(t, len(batch))
	wg.Wait()
	if n := len(i.distinct()); n != 1 {
		t.Errorf("the stopped subscription received %d messages, want none", n-1)
	}
}

func copies(t *testing.T, transport Transport) {
	one, _ := collect(t, transport, "one", 0, "Told")
	two, _ := collect(t, transport, "two", 0, "Told")
	declared, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	for _, i := range []*inbox{one, two} { // A subscription is declared once it has received a message.
		for len(i.distinct()) == 0 && declared.Err() == nil {
			publish(t, transport, Message("Told"))
			pause(declared)
		}
	}
	m := Message("Told")
	publish(t, transport, m)
	for name, i := range map[string]*inbox{"one": one, "two": two} {
		deadline, cancel := context.WithTimeout(t.Context(), timeout)
		for !slices.Contains(ids(i.distinct()), m.ID) && deadline.Err() == nil {
			pause(deadline)
		}
		if deadline.Err() != nil {
			t.Errorf("subscription %s did not receive the message", name)
		}
		cancel()
	}
}

func onlyItsTypes(t *testing.T, transport Transport) {
	one, _ := collect(t, transport, "one", 0, "A", "B")
	two, _ := collect(t, transport, "two", 0, "C")
	publish(t, transport, Message("A"), Message("C"), Message("B"))
	one.wait(t, 2)
	two.wait(t, 1)
	for _, m := range append(one.distinct(), two.distinct()...) {
		if fromTwo := slices.Contains(ids(two.distinct()), m.ID); fromTwo != (m.Type == "C") {
			t.Errorf("subscription of another type received %s", m.Type)
		}
	}
}

func keepsOrder(t *testing.T, transport Transport) {
	i, _ := collect(t, transport, "one", 0, "Told")
	publish(t, transport, Message("Told"))
	batch := numbered("Told", 200)
	for chunk := range slices.Chunk(batch, 7) {
		publish(t, transport, chunk...)
	}
	if diff := cmp.Diff(ids(batch), ids(i.wait(t, 201)[1:])); diff != "" {
		t.Errorf("(-published +arrived):\n%s", diff)
	}
}

func manyPublishers(t *testing.T, transport Transport) {
	i, _ := collect(t, transport, "one", 2, "Told", "Asked")
	var wg sync.WaitGroup
	for p := range 4 {
		typ := []string{"Told", "Asked"}[p%2]
		wg.Go(func() {
			for chunk := range slices.Chunk(numbered(typ, 100), 9) {
				publish(t, transport, chunk...)
			}
		})
	}
	wg.Wait()
	i.wait(t, 400)
}

func endWaits(t *testing.T, transport Transport) {
	begun, finish := make(chan struct{}), make(chan struct{})
	var once sync.Once
	done := false
	stop := subscribe(t, transport, event.Subscription{
		Name: "one", Types: []string{"Told"},
		Receive: func(ctx context.Context, _ []event.Message) error {
			once.Do(func() { close(begun); <-ctx.Done(); <-finish; done = true })
			return nil
		},
	})
	var wg sync.WaitGroup
	wg.Go(func() { publish(t, transport, Message("Told")) })
	select {
	case <-begun:
	case <-time.After(timeout):
		t.Fatal("no message was delivered")
	}
	wg.Go(func() { pause(t.Context()); close(finish) })
	stop()
	if !done {
		t.Error("the subscription ended during a batch")
	}
	wg.Wait()
}
