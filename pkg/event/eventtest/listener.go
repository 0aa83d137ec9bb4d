package eventtest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"parley.internal/pkg/event"
)

// listener collects delivered messages and reported losses.
type listener struct {
	delivered chan event.Message
	lost      chan struct{}
}

// listen runs a listener until the test ends, and waits for its start.
func listen(t *testing.T, transport Transport, types ...string) *listener {
	t.Helper()
	l := &listener{delivered: make(chan event.Message, 10_000), lost: make(chan struct{}, 100)}
	ctx, cancel := context.WithCancel(t.Context())
	run := transport.Listen(types, func(m event.Message) { l.delivered <- m }, func() { l.lost <- struct{}{} })
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	l.waitForStart(t)
	return l
}

func (l *listener) waitForStart(t *testing.T) {
	t.Helper()
	select {
	case <-l.lost:
	case <-time.After(timeout):
		t.Fatal("the listener did not start")
	}
}

// wantMessage waits for a message and skips others.
func (l *listener) wantMessage(t *testing.T, id string) {
	t.Helper()
	deadline := time.After(timeout)
	for {
		select {
		case m := <-l.delivered:
			if m.ID == id {
				return
			}
		case <-deadline:
			t.Fatal("the listener did not receive the published message")
		}
	}
}

func listenersHear(t *testing.T, transport Transport) {
	one, two := listen(t, transport, "Told"), listen(t, transport, "Told", "Asked")
	i, _ := collect(t, transport, "one", 0, "Told", "Asked")
	told, asked, last := Message("Told"), Message("Asked"), Message("Told")
	publish(t, transport, told)
	publish(t, transport, asked)
	publish(t, transport, last)
	i.wait(t, 3)
	one.wantMessage(t, told.ID)
	two.wantMessage(t, told.ID)
	two.wantMessage(t, asked.ID)
	two.wantMessage(t, last.ID)
	for id := ""; id != last.ID; {
		select {
		case m := <-one.delivered:
			if id = m.ID; m.Type != "Told" {
				t.Errorf("got a message of type %s, want only Told", m.Type)
			}
		case <-time.After(timeout):
			t.Fatal("the listener did not receive the last message")
		}
	}
}

func listenersKeepNothing(t *testing.T, transport Transport) {
	l := listen(t, transport, "Unwanted")
	collect(t, transport, "one", 0, "Wanted")
	publish(t, transport, Message("Wanted"))
	m := Message("Unwanted")
	if err := transport.Publish(t.Context(), []event.Message{m})[0]; !errors.Is(err, event.ErrUnroutable) {
		t.Errorf("got error %v for an event without subscriptions, want ErrUnroutable", err)
	}
	l.wantMessage(t, m.ID)
}

func slowListener(t *testing.T, transport Transport) {
	const many = 3000
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	block := make(chan struct{})
	slow := &inbox{changed: make(chan struct{}, 1)}
	began, lost := make(chan struct{}, 1), make(chan struct{}, many)
	run := transport.Listen([]string{"Told"}, func(m event.Message) {
		select {
		case began <- struct{}{}:
		default:
		}
		<-block
		_ = slow.receive(ctx, []event.Message{m})
	}, func() { lost <- struct{}{} })
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := run(ctx); err != nil {
			t.Error(err)
		}
	})
	defer wg.Wait()
	defer cancel()
	wait := func(c <-chan struct{}, failure string) {
		t.Helper()
		select {
		case <-c:
		case <-time.After(timeout):
			t.Fatal(failure)
		}
	}
	wait(lost, "the listener did not start")
	quick := listen(t, transport, "Told")
	i, _ := collect(t, transport, "one", 0, "Told")
	first := Message("Told")
	publish(t, transport, first)
	wait(began, "no message was delivered")
	batch := numbered("Told", many)
	publish(t, transport, batch...)
	i.wait(t, many+1)
	quick.wantMessage(t, batch[many-1].ID)
	close(block)
	wait(lost, "the slow listener got no report of a loss")
	for !slices.Contains(ids(slow.distinct()), batch[many-1].ID) {
		wait(slow.changed, "the slow listener received no further message")
	}
	if n := len(slow.distinct()); n > many {
		t.Errorf("got %d queued messages of a slow listener, want a bounded queue", n)
	}
}
