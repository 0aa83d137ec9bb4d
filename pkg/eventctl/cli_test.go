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
	"parley.internal/pkg/inbox"
	"parley.internal/pkg/outbox"
	"parley.internal/pkg/rabbit"
	"parley.internal/pkg/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// timeout bounds every wait of a test.
const timeout = 30 * time.Second

var quiet = slog.New(slog.DiscardHandler)

type greeted struct {
	Text string `json:"text"`
}

func (greeted) Type() string { return "Greeted" }

type unbound struct{}

func (unbound) Type() string { return "Unbound" }

// fixture is a service that publishes, a service that consumes, and the command
// of both.
type fixture struct {
	eventctl.CLI

	t       *testing.T
	db      *database.DB
	outbox  *outbox.Outbox
	broker  []rabbit.Role // of the running services
	results chan error    // results of the handler; nil once it is closed
	handled chan string
	out     bytes.Buffer
	err     bytes.Buffer
}

func newFixture(t *testing.T, databaseURL, broker string) *fixture {
	t.Helper()
	db, err := database.Open(t.Context(), databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(outbox.Migrate(t.Context(), db), inbox.Migrate(t.Context(), db)); err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, db: db, outbox: outbox.New(db, "policy", quiet), results: make(chan error), handled: make(chan string, 1000)}
	f.Program, f.Broker = "policyd", rabbit.Config{URLs: broker, Queues: "lab-chat-service-Greeted", Log: quiet}
	f.Services = []eventctl.Service{
		{Name: "policy", DatabaseURL: databaseURL, Source: "policy"},
		{Name: "chat", DatabaseURL: databaseURL, Consumer: "lab-chat-service", Types: []string{"Greeted"}},
	}
	f.Out, f.Err = &f.out, &f.err
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// start runs both services until the test ends.
func (f *fixture) start() {
	f.t.Helper()
	publisher, err := rabbit.NewPublisher(f.Broker)
	if err != nil {
		f.t.Fatal(err)
	}
	consumer, err := rabbit.NewConsumer(f.Broker)
	if err != nil {
		f.t.Fatal(err)
	}
	f.broker = []rabbit.Role{publisher, consumer}
	var router event.Router[*database.Tx]
	event.Handle(&router, func(_ context.Context, _ *database.Tx, m event.Message, _ greeted) error {
		if err := <-f.results; err != nil {
			return err
		}
		f.handled <- m.ID
		return nil
	})
	inbox := inbox.New(f.db, "lab-chat-service", &router, quiet)
	ctx, stop := context.WithCancel(context.WithoutCancel(f.t.Context()))
	var running sync.WaitGroup
	for _, run := range []func(context.Context) error{
		publisher.Run, outbox.NewRelay(f.outbox, publisher).Run, inbox.Run,
		consumer.Subscribe(event.Subscription{Name: "lab-chat-service", Types: router.Types(), Receive: inbox.Receive}),
	} {
		running.Go(func() {
			if err := run(ctx); err != nil {
				f.t.Error(err)
			}
		})
	}
	f.t.Cleanup(func() { stop(); running.Wait() })
}

func (f *fixture) write(events ...event.Event) {
	f.t.Helper()
	err := f.db.InTx(f.t.Context(), func(tx *database.Tx) error {
		return f.outbox.Write(f.t.Context(), tx, "P-1", events...)
	})
	if err != nil {
		f.t.Fatal(err)
	}
}

// publishTwo starts the services and publishes two events, which are handled.
// The outbox keeps them.
func (f *fixture) publishTwo() (first, second string) {
	f.t.Helper()
	close(f.results)
	f.start()
	f.write(greeted{Text: "1"}, greeted{Text: "2"})
	first, second = <-f.handled, <-f.handled
	f.waitFor(`"published":2`, "lag", "--json")
	return first, second
}

// command runs a command and returns its output.
func (f *fixture) command(args ...string) (string, error) {
	f.out.Reset()
	f.err.Reset()
	err := f.Run(f.t.Context(), args)
	return f.out.String(), err
}

// output runs a command that must succeed.
func (f *fixture) output(args ...string) string {
	f.t.Helper()
	out, err := f.command(args...)
	if err != nil {
		f.t.Fatalf("events %q: %v", args, err)
	}
	return out
}

// waitFor repeats a command until its output contains text.
func (f *fixture) waitFor(text string, args ...string) (out string) {
	f.t.Helper()
	eventually(f.t, func() bool {
		out, _ = f.command(args...)
		return strings.Contains(out, text)
	}, func() string { return fmt.Sprintf("events %q prints %q, want %q in it", args, out, text) })
	return out
}

// eventually waits for a condition; state describes the failure.
func eventually(t *testing.T, condition func() bool, state func() string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for !condition() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatalf("after %s: %s", timeout, state())
		}
	}
}

func sqlite(t *testing.T) string {
	t.Helper()
	return "sqlite:" + filepath.Join(t.TempDir(), "events.db")
}

// wantHandled checks that the consumer handles this event next.
func (f *fixture) wantHandled(id string) {
	f.t.Helper()
	select {
	case got := <-f.handled:
		if got != id {
			f.t.Errorf("got event %s handled, want %s", got, id)
		}
	case <-time.After(timeout):
		f.t.Fatalf("event %s was not handled within %s", id, timeout)
	}
}

func rows(t *testing.T, out string) (all []map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		t.Fatalf("output is not a JSON list: %v: %s", err, out)
	}
	return all
}

func TestUnroutableEventIsListed(t *testing.T) {
	f := newFixture(t, sqlite(t), testenv.RabbitMQ(t))
	f.start()
	f.write(unbound{})
	f.waitFor("Unbound", "unroutable")
	var lag struct {
		Services []struct {
			Outbox struct{ Pending, Unroutable int }
		}
		Queues []struct{ Queue string }
	}
	if err := json.Unmarshal([]byte(f.output("lag", "--json")), &lag); err != nil {
		t.Fatal(err)
	}
	if o := lag.Services[0].Outbox; o.Pending != 0 || o.Unroutable != 1 || len(lag.Queues) != 1 || lag.Queues[0].Queue != "lab-chat-service-Greeted" {
		t.Errorf("got lag %+v, want 1 unroutable event and queue lab-chat-service-Greeted", lag)
	}
	if out := f.output("lag"); !strings.Contains(out, "UNROUTABLE") || !strings.Contains(out, "lab-chat-service-Greeted") {
		t.Errorf("lag prints\n%s", out)
	}
}

func TestPendingNeedsNoBroker(t *testing.T) {
	f := newFixture(t, sqlite(t), "")
	f.write(greeted{Text: "body"})
	if out := f.output("pending"); !strings.Contains(out, "Greeted") || strings.Contains(out, "body") {
		t.Errorf("pending prints %s", out)
	}
	if out := f.output("lag"); !strings.Contains(out, "RABBITMQ_URL") {
		t.Errorf("lag prints %s", out)
	}
	for _, command := range []string{"doctor", "tail"} {
		if _, err := f.command(command); err == nil || !strings.Contains(err.Error(), "RABBITMQ_URL") {
			t.Errorf("got error %v from %s, want RABBITMQ_URL in it", err, command)
		}
	}
}

func TestLimitBoundsList(t *testing.T) {
	f := newFixture(t, sqlite(t), "")
	f.write(greeted{Text: "1"}, greeted{Text: "2"}, greeted{Text: "3"})
	for limit, want := range map[string]int{"1": 1, "2": 2, "100": 3} {
		if got := rows(t, f.output("pending", "--limit", limit, "--json")); len(got) != want {
			t.Errorf("got %d events with --limit %s, want %d", len(got), limit, want)
		}
	}
	if got := rows(t, f.output("pending", "--since", "1h", "--until", "0s", "--json")); len(got) != 3 {
		t.Errorf("got %d events of the last hour, want 3", len(got))
	}
}

func TestWrongUsageIsReported(t *testing.T) {
	f := newFixture(t, sqlite(t), "")
	for _, args := range [][]string{
		{},
		{"lagg"},
		{"lag", "now"},
		{"lag", "--verbose"},
		{"show"},
		{"show", "1", "2"},
		{"replay"},
		{"replay", "--from", "nowhere", "--all"},
		{"replay", "--all", "--type", "Greeted"},
		{"replay", "--since", "yesterday"},
		{"dead", "--type", "Greeted"},
		{"replay", "--id", ""},
		{"replay", "--since", "1h", "--until", "2h"},
		{"replay", "--since", "1h", "--until", "1h"},
		{"dead", "--list", "--since", "2026-11-21T10:00:00Z", "--until", "2026-11-21T10:00:00Z"},
		{"pending", "--since", "2026-11-21T11:00:00Z", "--until", "2026-11-21T10:00:00Z"},
		{"pending", "--limit", "0"},
		{"rejected", "--limit", "-1"},
		{"unroutable", "--limit", "many"},
		{"dead", "--list", "--limit", "0"},
	} {
		_, err := f.command(args...)
		if coded, ok := errors.AsType[eventctl.UsageError](err); !ok || coded.ExitCode() != 2 {
			t.Errorf("got error %v from events %q, want a UsageError", err, args)
		}
	}
	for _, args := range [][]string{{"help"}, {"replay", "--help"}, {"tail", "-h"}} {
		if out := f.output(args...); !strings.Contains(out, "policyd events") {
			t.Errorf("events %q prints %s", args, out)
		}
	}
	if _, err := f.command("show", "nothing"); err == nil {
		t.Error("show succeeds for an unknown id")
	}
	f.Services = []eventctl.Service{{Name: "policy", DatabaseURL: "sqlite:" + filepath.Join(t.TempDir(), "none.db"), Source: "policy"}}
	if _, err := f.command("lag"); err == nil || !strings.Contains(err.Error(), "none.db") {
		t.Errorf("got error %v for a missing database, want its name", err)
	}
}
