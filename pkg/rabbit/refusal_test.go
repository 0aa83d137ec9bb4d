package rabbit_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	amqp "github.com/rabbitmq/amqp091-go"

	"parley.internal/pkg/event"
	"parley.internal/pkg/event/eventtest"
	"parley.internal/pkg/rabbit"
	"parley.internal/pkg/testenv"
)

// A broker that will not take a message ends the channel, and with it loses the
// confirms of all others: they must not be published with it for ever.
func TestWhatTheBrokerNeverTakesIsFoundAmongOthers(t *testing.T) {
	broker := testenv.StartRabbitMQ(t)
	broker.MaxMessage(1 << 16)
	r := transport(t, rabbit.Config{URLs: []string{broker.URL()}})
	got, _ := subscribe(t, r, "one", "Told")
	listen(t, r, "Told")
	flows(t, r, got)

	batch := make([]event.Message, 600)
	want := map[string]bool{}
	for i := range batch {
		batch[i] = eventtest.Message("Told")
		if i == 0 || i == 17 || i == 18 || i == 599 {
			batch[i].Data = []byte(`"` + strings.Repeat("x", 65536) + `"`)
			continue
		}
		want[batch[i].ID] = true
	}
	for i, err := range r.Publish(patient(t), batch) {
		switch isRefused := errors.Is(err, event.ErrRefused); {
		case want[batch[i].ID] && err != nil:
			t.Errorf("message %d, which is small, answers %v", i, err)
		case !want[batch[i].ID] && (!isRefused || !strings.Contains(err.Error(), "larger than")):
			t.Errorf("message %d, which is too large, answers %v", i, err)
		}
	}
	for len(want) > 0 {
		delete(want, got.next(t).ID)
	}
	for _, c := range r.Connections() {
		if c.Name == "publishing" && c.Opened != 1 {
			t.Errorf("the connection was opened %d times", c.Opened)
		}
	}
}

// What the protocol has no room for would end the connection, which all share.
func TestWhatHasNoRoomInAFrameIsNotEvenSent(t *testing.T) {
	r := transport(t, rabbit.Config{URLs: []string{testenv.RabbitMQ(t)}})
	got, _ := subscribe(t, r, "one", "Told")
	flows(t, r, got)
	refused := func(change func(*event.Message)) bool {
		t.Helper()
		m := eventtest.Message("Told")
		change(&m)
		err := r.Publish(patient(t), []event.Message{m})[0]
		if err != nil && !errors.Is(err, event.ErrRefused) {
			t.Fatal(err)
		}
		if err == nil {
			if arrived := got.next(t); arrived.ID != m.ID || arrived.PartitionKey != m.PartitionKey {
				t.Errorf("%s arrived", arrived.ID)
			}
		}
		return err != nil
	}
	for name, change := range map[string]func(*event.Message){
		"type":   func(m *event.Message) { m.Type = strings.Repeat("T", 256) },
		"id":     func(m *event.Message) { m.ID = strings.Repeat("i", 256) },
		"source": func(m *event.Message) { m.Source = strings.Repeat("s", 256) },
		"trace":  func(m *event.Message) { m.TraceParent = strings.Repeat("t", 200_000) },
	} {
		if !refused(change) {
			t.Errorf("a %s that is too long is taken", name)
		}
	}
	keyOf := func(n int) func(*event.Message) {
		return func(m *event.Message) { m.PartitionKey, m.Sequence = strings.Repeat("k", n), 1 }
	}
	fits, not := 100_000, 131_072 // A frame has no more by default.
	for not-fits > 1 {
		if half := (fits + not) / 2; refused(keyOf(half)) {
			not = half
		} else {
			fits = half
		}
	}
	if fits < 130_000 {
		t.Errorf("a key of %d bytes is refused, for which a frame has room", not)
	}
	for _, c := range r.Connections() {
		if c.Opened != 1 {
			t.Errorf("%s was opened %d times", c.Name, c.Opened)
		}
	}
}

// censor is a URL that leads to a broker, and cuts each connection on which it
// reads a word, so many times; none: always.
func censor(t *testing.T, url, word string, times int64) string {
	t.Helper()
	at, err := amqp.ParseURI(url)
	if err != nil {
		t.Fatal(err)
	}
	address := net.JoinHostPort(at.Host, strconv.Itoa(at.Port))
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var done atomic.Int64
	heard := func(b []byte) bool { return bytes.Contains(b, []byte(word)) && (times == 0 || done.Add(1) <= times) }
	var running sync.WaitGroup
	t.Cleanup(func() { _ = listener.Close(); running.Wait() })
	running.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			broker, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", address)
			if err != nil {
				_ = client.Close()
				continue
			}
			cut := func() { _, _ = client.Close(), broker.Close() }
			running.Go(func() { defer cut(); _, _ = io.Copy(client, broker) })
			running.Go(func() {
				defer cut()
				for some := make([]byte, 64<<10); ; {
					n, err := client.Read(some)
					if err != nil || heard(some[:n]) {
						return
					}
					if _, err := broker.Write(some[:n]); err != nil {
						return
					}
				}
			})
		}
	})
	return strings.Replace(url, address, listener.Addr().String(), 1)
}

// Nobody says which message it was, or that it was one at all.
func TestWhatTheConnectionIsLostOverEachTimeIsFound(t *testing.T) {
	url := testenv.RabbitMQ(t)
	r := transport(t, rabbit.Config{URLs: []string{censor(t, url, "unspeakable", 0)}})
	got, _ := subscribe(t, transport(t, rabbit.Config{URLs: []string{url}}), "one", "Told")
	flows(t, r, got)

	batch := []event.Message{eventtest.Message("Told"), eventtest.Message("Told"), eventtest.Message("Told")}
	batch[0].Data = []byte(`"` + strings.Repeat("unspeakable ", 20) + `"`)
	var results []error
	for ctx := patient(t); !errors.Is(errors.Join(results...), event.ErrRefused); {
		if results = r.Publish(ctx, batch); ctx.Err() != nil {
			t.Fatalf("it is not found: %v", results)
		}
	}
	if !errors.Is(results[0], event.ErrRefused) || !strings.Contains(results[0].Error(), "lost each time") {
		t.Errorf("it answers %v", results[0])
	}
	publish(t, r, batch[1:]...)
	for want := map[string]bool{batch[1].ID: true, batch[2].ID: true}; len(want) > 0; {
		m := got.next(t)
		if m.ID == batch[0].ID {
			t.Error("it arrived")
		}
		delete(want, m.ID)
	}
}

// A connection that is lost whatever is sent says nothing about what was.
func TestANetworkThatComesAndGoesRefusesNothing(t *testing.T) {
	url := testenv.RabbitMQ(t)
	got, _ := subscribe(t, transport(t, rabbit.Config{URLs: []string{url}}), "one", "Told")
	r := transport(t, rabbit.Config{URLs: []string{censor(t, url, "cloudEvents:id", 12)}})
	batch := make([]event.Message, 5)
	for i := range batch {
		batch[i] = eventtest.Message("Told")
	}
	for left := batch; len(left) > 0; {
		var again []event.Message
		for i, err := range r.Publish(patient(t), left) {
			if errors.Is(err, event.ErrRefused) {
				t.Fatalf("message %d: %v", i, err)
			}
			if err != nil {
				again = append(again, left[i])
			}
		}
		left = again
	}
	for want := len(batch); want > 0; want-- {
		got.next(t)
	}
}

// A broker that lets nobody write is in trouble itself, and says so.
func TestABrokerThatForbidsRefusesNoMessage(t *testing.T) {
	broker := testenv.StartRabbitMQ(t)
	r := transport(t, rabbit.Config{URLs: []string{broker.URL()}})
	got, _ := subscribe(t, r, "one", "Told")
	flows(t, r, got)
	broker.Ctl("set_permissions", "guest", ".*", "nothing", ".*")
	broker.CloseConnections("think again") // A channel remembers what it was allowed.
	batch := []event.Message{eventtest.Message("Told"), eventtest.Message("Told")}
	for range 8 {
		for _, err := range r.Publish(patient(t), batch) {
			if err == nil || errors.Is(err, event.ErrRefused) {
				t.Fatalf("it answers %v", err)
			}
		}
	}
	eventually(t, func() bool { return strings.Contains(strings.Join(r.Degraded(), ";"), "ACCESS_REFUSED") },
		func() any { return r.Degraded() })
	broker.Ctl("set_permissions", "guest", ".*", ".*", ".*")
	eventually(t, func() bool { return errors.Join(r.Publish(patient(t), batch)...) == nil }, func() any { return r.Degraded() })
}
