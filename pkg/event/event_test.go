package event_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"parley.internal/pkg/event"
	"parley.internal/pkg/event/eventtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestDirectTransport(t *testing.T) {
	eventtest.Run(t, func(*testing.T) eventtest.Transport { return &event.Direct{} })
}

// A relay that starts before the consumer must not find events unroutable: they would be
// retried only later.
func TestDirectWaitsForStartingSubscription(t *testing.T) {
	var d event.Direct
	run := d.Subscribe(event.Subscription{
		Name: "one", Types: []string{"Renamed"},
		Receive: func(context.Context, []event.Message) error { return nil },
	})
	early := d.Publish(t.Context(), []event.Message{{ID: "1", Type: "Renamed"}})[0]
	if early == nil || errors.Is(early, event.ErrUnroutable) {
		t.Errorf("got error %v before the subscription runs, want ErrUnavailable", early)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := run(ctx); err != nil {
			t.Error(err)
		}
	})
	for d.Publish(t.Context(), []event.Message{{ID: "1", Type: "Renamed"}})[0] != nil {
		runtime.Gosched()
	}
	if err := d.Subscribe(event.Subscription{Name: "one", Types: []string{"Renamed"}})(ctx); err == nil {
		t.Error("a subscription runs twice")
	}
	cancel()
	wg.Wait()
}

// The handlers of a large batch may take longer than the publisher waits: events handled
// by then are confirmed, and no event overtakes the rest.
func TestDirectConfirmsMessagesReceivedInTime(t *testing.T) {
	var d event.Direct
	ctx, cancel := context.WithCancel(t.Context())
	var calls [][]event.Message
	run := d.Subscribe(event.Subscription{Name: "one", Types: []string{"Told"}, Receive: func(ctx context.Context, some []event.Message) error {
		if calls = append(calls, some); len(calls) == 2 {
			cancel()
		}
		return ctx.Err()
	}})
	running, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := run(running); err != nil {
			t.Error(err)
		}
	})
	defer wg.Wait()
	defer stop()
	batch := make([]event.Message, 3000)
	for i := range batch {
		batch[i] = eventtest.Message("Told")
	}
	results := d.Publish(ctx, batch)
	if len(calls) != 2 || len(calls[0]) == 0 || len(results) != len(batch) {
		t.Fatalf("got %d calls and %d results", len(calls), len(results))
	}
	for i, err := range results {
		if taken := i < len(calls[0]); taken != (err == nil) || !taken && !errors.Is(err, event.ErrUnavailable) {
			t.Fatalf("message %d of %d: %v", i, len(batch), err)
		}
	}
}

type renamed struct {
	From string `json:"from"`
	To   string `json:"to"`
}

func (renamed) Type() string { return "Renamed" }

func (r renamed) Validate() error {
	if r.To == "" {
		return errors.New("to is missing")
	}
	return nil
}

func TestDispatch(t *testing.T) {
	transient := errors.New("the database is away")
	tests := map[string]struct {
		typ, data string
		handler   error
		panics    bool
		want      string // a part of the error
		permanent bool
	}{
		"an event reaches its handlers":     {data: `{"from":"a","to":"b"}`},
		"any case of a name is accepted":    {data: `{"From":"a","TO":"b"}`},
		"unknown fields are ignored":        {data: `{"from":"a","to":"b","why":1}`},
		"broken JSON is no use again":       {data: `{"from":`, want: "decode Renamed", permanent: true},
		"nor is another encoding":           {data: "{\"from\":\"a\",\"to\":\"b\xe9\"}", want: "not UTF-8", permanent: true},
		"nor is a wrong type":               {data: `{"from":1,"to":"b"}`, want: "decode Renamed", permanent: true},
		"nor is a missing field":            {data: `{"from":"a"}`, want: "to is missing", permanent: true},
		"nor is a type without a handler":   {typ: "Other", data: `{}`, want: "no handler", permanent: true},
		"a handler's error may pass":        {data: `{"to":"b"}`, handler: transient, want: "away"},
		"a handler knows what never mends":  {data: `{"to":"b"}`, handler: event.Permanent(transient), want: "away", permanent: true},
		"a handler that panics is an error": {data: `{"to":"b"}`, panics: true, want: "panic: bug"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var router event.Router[string]
			var got []string
			event.Handle(&router, func(_ context.Context, tx string, m event.Message, e renamed) error {
				got = append(got, tx, m.ID, e.To)
				return nil
			})
			event.Handle(&router, func(context.Context, string, event.Message, renamed) error {
				if tt.panics {
					panic("bug")
				}
				got = append(got, "second")
				return tt.handler
			})
			m := event.Message{ID: "7", Type: "Renamed", Data: []byte(tt.data)}
			if tt.typ != "" {
				m.Type = tt.typ
			}
			err := router.Dispatch(t.Context(), "tx", m)
			if tt.want == "" {
				if diff := cmp.Diff([]string{"tx", "7", "b", "second"}, got); err != nil || diff != "" {
					t.Errorf("error %v, calls (-want +got):\n%s", err, diff)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) || event.IsPermanent(err) != tt.permanent {
				t.Errorf("got error %v, permanent %t; want %q, %t", err, event.IsPermanent(err), tt.want, tt.permanent)
			}
		})
	}
}

func TestRouterListsTypes(t *testing.T) {
	var router event.Router[string]
	if got := router.Types(); len(got) != 0 {
		t.Errorf("an empty router handles %v", got)
	}
	event.Handle(&router, func(context.Context, string, event.Message, renamed) error { return nil })
	if diff := cmp.Diff([]string{"Renamed"}, router.Types()); diff != "" {
		t.Error(diff)
	}
}
