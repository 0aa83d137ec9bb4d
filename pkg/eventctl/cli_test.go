package eventctl_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
	"parley.internal/pkg/eventctl"
	"parley.internal/pkg/outbox"
	"parley.internal/pkg/rabbit"
	"parley.internal/pkg/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 30 * time.Second

var quiet = slog.New(slog.DiscardHandler)

type told struct {
	Text string `json:"text"`
}

func (told) Type() string { return "Told" }

type unwanted struct{}

func (unwanted) Type() string { return "Unwanted" }

// house is a service that tells and one that is told, and their operator.
type house struct {
	eventctl.CLI

	t       *testing.T
	db      *database.DB
	outbox  *outbox.Outbox
	broker  *rabbit.Transport // of what runs
	broken  chan error        // what the handler answers; nil when it is closed
	handled chan string
	out     bytes.Buffer
	err     bytes.Buffer
}

func newHouse(t *testing.T, databaseURL, broker string) *house {
	t.Helper()
	db, err := database.Open(t.Context(), databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	if err := outbox.Migrate(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, db: db, outbox: outbox.New(db, "policy", quiet), broken: make(chan error), handled: make(chan string, 1000)}
	h.Program, h.Broker = "policyd", rabbit.Settings{URLs: broker, Queues: "lab-chat-service-Told"}
	h.Services = []eventctl.Service{
		{Name: "policy", DatabaseURL: databaseURL, Source: "policy"},
		{Name: "chat", DatabaseURL: databaseURL, Consumer: "lab-chat-service", Types: []string{"Told"}},
	}
	h.Out, h.Err = &h.out, &h.err
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// run runs both services until the test ends.
func (h *house) run() {
	h.t.Helper()
	transport, err := rabbit.Open(h.Broker, quiet)
	if err != nil {
		h.t.Fatal(err)
	}
	h.broker = transport
	var router event.Router[*database.Tx]
	event.Handle(&router, func(ctx context.Context, tx *database.Tx, m event.Message, e told) error {
		if err := <-h.broken; err != nil {
			return err
		}
		h.handled <- m.ID
		return nil
	})
	inbox := outbox.NewInbox(h.db, "lab-chat-service", &router, quiet)
	ctx, stop := context.WithCancel(context.WithoutCancel(h.t.Context()))
	var running sync.WaitGroup
	for _, run := range []func(context.Context) error{
		transport.Run, outbox.NewRelay(h.outbox, transport).Run, inbox.Run,
		transport.Subscribe(event.Subscription{Name: "lab-chat-service", Types: router.Types(), Receive: inbox.Receive}),
	} {
		running.Go(func() {
			if err := run(ctx); err != nil {
				h.t.Error(err)
			}
		})
	}
	h.t.Cleanup(func() { stop(); running.Wait() })
}

func (h *house) tell(events ...event.Event) {
	h.t.Helper()
	err := h.db.InTx(h.t.Context(), func(tx *database.Tx) error {
		return h.outbox.Write(h.t.Context(), tx, "P-1", events...)
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

// tellTwo runs the house and tells two events, which are handled and kept.
func (h *house) tellTwo() (first, second string) {
	h.t.Helper()
	close(h.broken)
	h.run()
	h.tell(told{Text: "1"}, told{Text: "2"})
	first, second = <-h.handled, <-h.handled
	h.until(`"retained":2`, "lag", "--json")
	return first, second
}

// types is what an operator gets for a command.
func (h *house) types(args ...string) (string, error) {
	h.out.Reset()
	h.err.Reset()
	err := h.Run(h.t.Context(), args)
	return h.out.String(), err
}

// gets is types, for what must work.
func (h *house) gets(args ...string) string {
	h.t.Helper()
	out, err := h.types(args...)
	if err != nil {
		h.t.Fatalf("%q: %v", args, err)
	}
	return out
}

// until asks until the answer holds some text.
func (h *house) until(text string, args ...string) (out string) {
	h.t.Helper()
	eventually(h.t, func() bool {
		out, _ = h.types(args...)
		return strings.Contains(out, text)
	}, func() any { return fmt.Sprintf("%q instead of %q to %q", out, text, args) })
	return out
}

// eventually waits for something to be so; what tells how it is if it is not.
func eventually(t *testing.T, so func() bool, what func() any) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for !so() {
		select {
		case <-again.C:
		case <-ctx.Done():
			t.Fatalf("in the end there is %v", what())
		}
	}
}

func sqlite(t *testing.T) string {
	t.Helper()
	return "sqlite:" + filepath.Join(t.TempDir(), "events.db")
}

// wantHandled wants this event handled next.
func (h *house) wantHandled(id string) {
	h.t.Helper()
	select {
	case got := <-h.handled:
		if got != id {
			h.t.Errorf("%s was handled, not %s", got, id)
		}
	case <-time.After(patience):
		h.t.Fatalf("%s was not handled", id)
	}
}

func rows(t *testing.T, out string) (all []map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return all
}

func TestWhatNobodyWantsIsSeen(t *testing.T) {
	h := newHouse(t, sqlite(t), testenv.RabbitMQ(t))
	h.run()
	h.tell(unwanted{})
	h.until("Unwanted", "unroutable")
	var lag struct {
		Services []struct {
			Outbox struct{ Pending, Unroutable int }
		}
		Queues []struct{ Queue string }
	}
	if err := json.Unmarshal([]byte(h.gets("lag", "--json")), &lag); err != nil {
		t.Fatal(err)
	}
	if o := lag.Services[0].Outbox; o.Pending != 0 || o.Unroutable != 1 || len(lag.Queues) != 1 || lag.Queues[0].Queue != "lab-chat-service-Told" {
		t.Errorf("the lag is %+v", lag)
	}
	if out := h.gets("lag"); !strings.Contains(out, "UNROUTABLE") || !strings.Contains(out, "lab-chat-service-Told") {
		t.Errorf("lag says\n%s", out)
	}
}

func TestWhatIsPendingIsSeenWithoutABroker(t *testing.T) {
	h := newHouse(t, sqlite(t), "")
	h.tell(told{Text: "waits"})
	if out := h.gets("pending"); !strings.Contains(out, "Told") || strings.Contains(out, "waits") {
		t.Errorf("pending says %s", out)
	}
	if out := h.gets("lag"); !strings.Contains(out, "RABBITMQ_URL") {
		t.Errorf("lag says %s", out)
	}
	for _, command := range []string{"doctor", "tail"} {
		if _, err := h.types(command); err == nil || !strings.Contains(err.Error(), "RABBITMQ_URL") {
			t.Errorf("%s answers %v", command, err)
		}
	}
}

func TestALimitBoundsAList(t *testing.T) {
	h := newHouse(t, sqlite(t), "")
	h.tell(told{Text: "1"}, told{Text: "2"}, told{Text: "3"})
	for limit, want := range map[string]int{"1": 1, "2": 2, "100": 3} {
		if got := rows(t, h.gets("pending", "--limit", limit, "--json")); len(got) != want {
			t.Errorf("of at most %s there are %d", limit, len(got))
		}
	}
	if got := rows(t, h.gets("pending", "--since", "1h", "--until", "0s", "--json")); len(got) != 3 {
		t.Errorf("of the last hour there are %d", len(got))
	}
}

func TestWhatIsNotUnderstoodIsSaidAndChangesNothing(t *testing.T) {
	h := newHouse(t, sqlite(t), "")
	for _, args := range [][]string{
		{},
		{"lagg"},
		{"lag", "now"},
		{"lag", "--verbose"},
		{"show"},
		{"show", "1", "2"},
		{"replay"},
		{"replay", "--from", "heaven", "--all"},
		{"replay", "--all", "--type", "Told"},
		{"replay", "--since", "yesterday"},
		{"dead", "--type", "Told"},
		{"replay", "--id", ""},
		{"replay", "--since", "1h", "--until", "2h"},
		{"replay", "--since", "1h", "--until", "1h"},
		{"dead", "--list", "--since", "2026-11-21T10:00:00Z", "--until", "2026-11-21T10:00:00Z"},
		{"pending", "--since", "2026-11-21T11:00:00Z", "--until", "2026-11-21T10:00:00Z"},
		{"pending", "--limit", "0"},
		{"refused", "--limit", "-1"},
		{"unroutable", "--limit", "many"},
		{"dead", "--list", "--limit", "0"},
	} {
		_, err := h.types(args...)
		if coded, ok := errors.AsType[eventctl.UsageError](err); !ok || coded.ExitCode() != 2 {
			t.Errorf("%q answers %v", args, err)
		}
	}
	for _, args := range [][]string{{"help"}, {"replay", "--help"}, {"tail", "-h"}} {
		if out := h.gets(args...); !strings.Contains(out, "policyd events") {
			t.Errorf("%q says %s", args, out)
		}
	}
	if _, err := h.types("show", "nothing"); err == nil {
		t.Error("what is not kept is shown")
	}
	h.Services = []eventctl.Service{{Name: "policy", DatabaseURL: "sqlite:" + filepath.Join(t.TempDir(), "none.db"), Source: "policy"}}
	if _, err := h.types("lag"); err == nil || !strings.Contains(err.Error(), "none.db") {
		t.Errorf("a database that is not there answers %v", err)
	}
}
