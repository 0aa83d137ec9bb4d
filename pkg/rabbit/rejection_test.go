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

// RabbitMQ closes the channel over an oversized message, and the confirms of all other messages are
// lost.
func TestOversizedMessagesAreRejectedAmongOthers(t *testing.T) {
	broker := testenv.StartRabbitMQ(t)
	broker.MaxMessage(1 << 16)
	tr := start(t, rabbit.Config{URLs: broker.URL()})
	in, _ := subscribe(t, tr, "one", "Created")
	listen(t, tr, "Created")
	roundTrip(t, tr, in)

	batch := messages("Created", 600)
	small := map[string]bool{}
	for i := range batch {
		if i == 0 || i == 17 || i == 18 || i == 599 {
			batch[i].Data = []byte(`"` + strings.Repeat("x", 65536) + `"`)
			continue
		}
		small[batch[i].ID] = true
	}
	for i, err := range tr.Publish(withPatience(t), batch) {
		switch {
		case small[batch[i].ID] && err != nil:
			t.Errorf("small message %d: got %v, want a confirm", i, err)
		case !small[batch[i].ID] && (!errors.Is(err, event.ErrRejected) || !strings.Contains(err.Error(), "larger than")):
			t.Errorf("oversized message %d: got %v, want a rejection", i, err)
		}
	}
	for len(small) > 0 {
		delete(small, in.next(t).ID)
	}
	if c := tr.publisher.Connections()[0]; c.Opened != 1 {
		t.Errorf("the connection was opened %d times, want 1", c.Opened)
	}
}

// A message beyond the limits of AMQP would close the connection.
func TestMessageTooLargeForFrameIsNotSent(t *testing.T) {
	tr := start(t, rabbit.Config{URLs: testenv.RabbitMQ(t)})
	in, _ := subscribe(t, tr, "one", "Created")
	roundTrip(t, tr, in)
	rejects := func(change func(*event.Message)) bool {
		t.Helper()
		m := eventtest.Message("Created")
		change(&m)
		err := tr.Publish(withPatience(t), []event.Message{m})[0]
		if err != nil && !errors.Is(err, event.ErrRejected) {
			t.Fatal(err)
		}
		if err == nil {
			if got := in.next(t); got.ID != m.ID || got.PartitionKey != m.PartitionKey {
				t.Errorf("got message %s, want %s", got.ID, m.ID)
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
		if !rejects(change) {
			t.Errorf("got a confirm of a message with a too long %s", name)
		}
	}
	withKey := func(n int) func(*event.Message) {
		return func(m *event.Message) { m.PartitionKey, m.Sequence = strings.Repeat("k", n), 1 }
	}
	longest, tooLong := 100_000, 131_072 // the default frame_max
	for tooLong-longest > 1 {
		if half := (longest + tooLong) / 2; rejects(withKey(half)) {
			tooLong = half
		} else {
			longest = half
		}
	}
	if longest < 130_000 {
		t.Errorf("the longest accepted key has %d bytes, want at least 130000", longest)
	}
	for _, c := range tr.Connections() {
		if c.Opened != 1 {
			t.Errorf("connection %s was opened %d times, want 1", c.Name, c.Opened)
		}
	}
}

// cutAt returns a URL to a broker through a proxy. The proxy cuts each connection on which it reads
// a word, up to a number of times; 0 for no limit.
func cutAt(t *testing.T, url, word string, times int64) string {
	t.Helper()
	uri, err := amqp.ParseURI(url)
	if err != nil {
		t.Fatal(err)
	}
	address := net.JoinHostPort(uri.Host, strconv.Itoa(uri.Port))
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var cuts atomic.Int64
	matches := func(b []byte) bool { return bytes.Contains(b, []byte(word)) && (times == 0 || cuts.Add(1) <= times) }
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
			closeBoth := func() { _, _ = client.Close(), broker.Close() }
			running.Go(func() { defer closeBoth(); _, _ = io.Copy(client, broker) })
			running.Go(func() {
				defer closeBoth()
				for buffer := make([]byte, 64<<10); ; {
					n, err := client.Read(buffer)
					if err != nil || matches(buffer[:n]) {
						return
					}
					if _, err := broker.Write(buffer[:n]); err != nil {
						return
					}
				}
			})
		}
	})
	return strings.Replace(url, address, listener.Addr().String(), 1)
}

// No peer reports which message closes the connection, or that a message does.
func TestMessageThatClosesConnectionsIsRejected(t *testing.T) {
	url := testenv.RabbitMQ(t)
	tr := start(t, rabbit.Config{URLs: cutAt(t, url, "forbidden", 0)})
	in, _ := subscribe(t, start(t, rabbit.Config{URLs: url}), "one", "Created")
	roundTrip(t, tr, in)

	batch := messages("Created", 3)
	batch[0].Data = []byte(`"` + strings.Repeat("forbidden ", 20) + `"`)
	var results []error
	for ctx := withPatience(t); !errors.Is(errors.Join(results...), event.ErrRejected); {
		if results = tr.Publish(ctx, batch); ctx.Err() != nil {
			t.Fatalf("got %v, want a rejection", results)
		}
	}
	if !errors.Is(results[0], event.ErrRejected) || !strings.Contains(results[0].Error(), "each attempt lost the connection") {
		t.Errorf("got %v, want a rejection with its reason", results[0])
	}
	publish(t, tr, batch[1:]...)
	for missing := map[string]bool{batch[1].ID: true, batch[2].ID: true}; len(missing) > 0; {
		m := in.next(t)
		if m.ID == batch[0].ID {
			t.Error("the rejected message was delivered")
		}
		delete(missing, m.ID)
	}
}

// A connection lost over any message proves nothing about the messages.
func TestUnstableNetworkRejectsNoMessage(t *testing.T) {
	url := testenv.RabbitMQ(t)
	in, _ := subscribe(t, start(t, rabbit.Config{URLs: url}), "one", "Created")
	tr := start(t, rabbit.Config{URLs: cutAt(t, url, "cloudEvents:id", 12)})
	batch := messages("Created", 5)
	for left := batch; len(left) > 0; {
		var failed []event.Message
		for i, err := range tr.Publish(withPatience(t), left) {
			if errors.Is(err, event.ErrRejected) {
				t.Fatalf("message %d: %v", i, err)
			}
			if err != nil {
				failed = append(failed, left[i])
			}
		}
		left = failed
	}
	for range batch {
		in.next(t)
	}
}

// Missing write permission is a problem of the broker's configuration, not of a message.
func TestMissingPermissionRejectsNoMessage(t *testing.T) {
	broker := testenv.StartRabbitMQ(t)
	tr := start(t, rabbit.Config{URLs: broker.URL()})
	in, _ := subscribe(t, tr, "one", "Created")
	roundTrip(t, tr, in)
	broker.Ctl("set_permissions", "guest", ".*", "nothing", ".*")
	broker.CloseConnections("permissions changed") // A channel caches its permissions.
	batch := messages("Created", 2)
	for range 8 {
		for _, err := range tr.Publish(withPatience(t), batch) {
			if err == nil || errors.Is(err, event.ErrRejected) {
				t.Fatalf("got %v, want a transient error", err)
			}
		}
	}
	tr.awaitDegraded(t, "ACCESS_REFUSED")
	broker.Ctl("set_permissions", "guest", ".*", ".*", ".*")
	eventually(t, func() bool { return errors.Join(tr.Publish(withPatience(t), batch)...) == nil }, func() any { return tr.Degraded() })
}
