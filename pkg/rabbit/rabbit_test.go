package rabbit_test

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
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

// transport runs a transport until the test ends.
func transport(t *testing.T, cfg rabbit.Config) *rabbit.Transport {
	t.Helper()
	cfg.Log = quiet
	r, err := rabbit.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	begin(t, r.Run)
	return r
}

// begin runs something until the test ends, or until stop.
func begin(t *testing.T, run func(context.Context) error) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
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

func patient(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func TestTransport(t *testing.T) {
	for _, queues := range []rabbit.QueueType{rabbit.Classic, rabbit.Quorum} {
		t.Run(string(queues), func(t *testing.T) {
			eventtest.Run(t, func(t *testing.T) eventtest.Transport {
				return transport(t, rabbit.Config{URLs: []string{testenv.RabbitMQ(t)}, QueueType: queues})
			})
		})
	}
}

// received collects what a subscription is given.
type received struct {
	messages chan event.Message
}

func subscribe(t *testing.T, r *rabbit.Transport, service string, types ...string) (received, func()) {
	t.Helper()
	got := received{messages: make(chan event.Message, 10_000)}
	stop := begin(t, r.Subscribe(event.Subscription{Name: service, Types: types, Receive: got.receive}))
	return got, stop
}

func (r received) receive(_ context.Context, batch []event.Message) error {
	for _, m := range batch {
		r.messages <- m
	}
	return nil
}

func (r received) next(t *testing.T) event.Message {
	t.Helper()
	select {
	case m := <-r.messages:
		return m
	case <-time.After(patience):
		t.Fatal("nothing arrived")
		return event.Message{}
	}
}

// publish does what a relay does: again, until each message is taken.
func publish(t *testing.T, r *rabbit.Transport, batch ...event.Message) {
	t.Helper()
	ctx := patient(t)
	for len(batch) > 0 {
		var again []event.Message
		results := r.Publish(ctx, batch)
		for i, err := range results {
			if err != nil {
				again = append(again, batch[i])
			}
		}
		if batch = again; ctx.Err() != nil {
			t.Fatalf("%d messages were not taken: %v", len(again), errors.Join(results...))
		}
	}
}

func TestAnAddressIsRefusedWithoutItsPassword(t *testing.T) {
	for _, cfg := range []rabbit.Config{
		{},
		{URLs: []string{"http://me:secret@host"}},
		{URLs: []string{"amqp://me:secret@host:port"}},
		{URLs: []string{"amqp://me:secret@host:0"}},
		{URLs: []string{"amqp://me:secret@host:65536"}},
		{URLs: []string{"amqp://localhost"}, QueueType: "mirrored"},
	} {
		if _, err := rabbit.New(cfg); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%v: error %v", cfg, err)
		}
	}
	for urls, broker := range map[string]bool{"": false, " , ": false, "amqp://a, amqp://b,": true} {
		if r, err := rabbit.Open(rabbit.Settings{URLs: urls}, quiet); (r != nil) != broker || err != nil {
			t.Errorf("%q opens %v, error %v", urls, r, err)
		}
	}
}

// The broker's protocol has 16 bits for it, and 0 would be no limit at all.
func TestAPrefetchThatMakesNoSenseIsRefused(t *testing.T) {
	for prefetch, refused := range map[int]bool{-1: true, 0: false, 1: false, 65535: false, 65536: true} {
		_, err := rabbit.New(rabbit.Config{URLs: []string{"amqp://localhost"}, Prefetch: prefetch})
		if (err != nil) != refused || refused && !strings.Contains(err.Error(), "65535") {
			t.Errorf("a prefetch of %d: error %v", prefetch, err)
		}
	}
}

func TestSettingsThatMakeNoSenseAreRefusedAlsoBeforeThereIsABroker(t *testing.T) {
	longest := strings.Repeat("x", 255-len("-listeners"))
	for _, urls := range []string{"", "amqp://localhost"} {
		for want, s := range map[string]rabbit.Settings{
			"lazy": {QueueType: "lazy"},
			"245":  {Exchange: longest + "x"},
			"amq.": {Exchange: "amq.topic"},
			"line": {Exchange: "one\ntwo"},
			"port": {URLs: "amqp://localhost:65536"},
		} {
			s.URLs = cmp.Or(s.URLs, urls)
			if _, err := rabbit.Open(s, quiet); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%+v: error %v", s, err)
			}
		}
		if _, err := rabbit.Open(rabbit.Settings{URLs: urls, Exchange: longest, QueueType: "quorum"}, quiet); err != nil {
			t.Error(err)
		}
	}
}

func TestTheLongestNamesAreTakenByTheBroker(t *testing.T) {
	r := transport(t, rabbit.Config{
		URLs: []string{testenv.RabbitMQ(t)}, Exchange: strings.Repeat("x", 255-len("-listeners")),
		Queues: []string{strings.Repeat("x", 181) + "-T" + strings.Repeat("x", 60)},
	})
	got, _ := subscribe(t, r, "one", "Told")
	publish(t, r, eventtest.Message("Told"))
	got.next(t)
}
