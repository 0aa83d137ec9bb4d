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

// ear is a listener that tells the test what it hears.
type ear struct {
	heard  chan event.Message
	missed chan struct{}
}

// listen runs a listener until the test ends, and waits for it to begin.
func listen(t *testing.T, transport Transport, types ...string) *ear {
	t.Helper()
	e := &ear{heard: make(chan event.Message, 10_000), missed: make(chan struct{}, 100)}
	ctx, cancel := context.WithCancel(t.Context())
	run := transport.Listen(types, func(m event.Message) { e.heard <- m }, func() { e.missed <- struct{}{} })
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	e.begins(t)
	return e
}

func (e *ear) begins(t *testing.T) {
	t.Helper()
	select {
	case <-e.missed:
	case <-time.After(patience):
		t.Fatal("a listener did not begin")
	}
}

// hears waits for a message; it passes over what else is heard.
func (e *ear) hears(t *testing.T, id string) {
	t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case m := <-e.heard:
			if m.ID == id {
				return
			}
		case <-deadline:
			t.Fatal("a listener did not hear what was published")
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
	one.hears(t, told.ID)
	two.hears(t, told.ID)
	two.hears(t, asked.ID)
	two.hears(t, last.ID)
	for heard := ""; heard != last.ID; {
		select {
		case m := <-one.heard:
			if heard = m.ID; m.Type != "Told" {
				t.Errorf("heard %s, which nobody asked for", m.Type)
			}
		case <-time.After(patience):
			t.Fatal("a listener did not hear the last message")
		}
	}
}

func listenersKeepNothing(t *testing.T, transport Transport) {
	e := listen(t, transport, "Unwanted")
	collect(t, transport, "one", 0, "Wanted")
	publish(t, transport, Message("Wanted"))
	m := Message("Unwanted")
	if err := transport.Publish(t.Context(), []event.Message{m})[0]; !errors.Is(err, event.ErrUnroutable) {
		t.Errorf("publishing what only a listener wants answers %v", err)
	}
	e.hears(t, m.ID)
}

func slowListener(t *testing.T, transport Transport) {
	const many = 3000
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	block := make(chan struct{})
	told := &inbox{changed: make(chan struct{}, 1)}
	began, missed := make(chan struct{}, 1), make(chan struct{}, many)
	run := transport.Listen([]string{"Told"}, func(m event.Message) {
		select {
		case began <- struct{}{}:
		default:
		}
		<-block
		_ = told.receive(ctx, []event.Message{m})
	}, func() { missed <- struct{}{} })
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := run(ctx); err != nil {
			t.Error(err)
		}
	})
	defer wg.Wait()
	defer cancel()
	wait := func(c <-chan struct{}, what string) {
		t.Helper()
		select {
		case <-c:
		case <-time.After(patience):
			t.Fatal(what)
		}
	}
	wait(missed, "the listener did not begin")
	quick := listen(t, transport, "Told")
	i, _ := collect(t, transport, "one", 0, "Told")
	first := Message("Told")
	publish(t, transport, first)
	wait(began, "nothing was heard")
	batch := numbered("Told", many)
	publish(t, transport, batch...)
	i.wait(t, many+1)
	quick.hears(t, batch[many-1].ID)
	close(block)
	wait(missed, "who was too slow was not told that it missed something")
	for !slices.Contains(ids(told.distinct()), batch[many-1].ID) {
		wait(told.changed, "the slow listener hears no more")
	}
	if n := len(told.distinct()); n > many {
		t.Errorf("%d messages waited for a slow listener", n)
	}
}
