package console_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	amqp "github.com/rabbitmq/amqp091-go"
	"go.uber.org/goleak"

	"parley.internal/pkg/console"
	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
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
	console.Console

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
	h.Services = []console.Service{
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
	var router event.Router
	event.Handle(&router, func(ctx context.Context, e told) error {
		if err := <-h.broken; err != nil {
			return err
		}
		h.handled <- event.FromContext(ctx).ID
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
	err := h.db.InTx(h.t.Context(), func(ctx context.Context, tx *database.Tx) error {
		return h.outbox.Write(ctx, tx, "P-1", events...)
	})
	if err != nil {
		h.t.Fatal(err)
	}
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

func databases() map[string]func(*testing.T) string {
	return map[string]func(*testing.T) string{
		"SQLite": sqlite, "PostgreSQL": func(t *testing.T) string { t.Helper(); return testenv.Postgres(t) },
	}
}

func rows(t *testing.T, out string) (all []map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return all
}

func TestADeadLetterIsFoundReadAndReplayed(t *testing.T) {
	for name, url := range databases() {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, url(t), testenv.RabbitMQ(t))
			h.run()
			h.tell(told{Text: "tax id 8501"})
			h.broken <- event.Permanent(errors.New("no such agent"))
			if out := h.until("no such agent", "dead"); !strings.Contains(out, "Told") || strings.Contains(out, "8501") {
				t.Errorf("dead says %s", out)
			}
			list := rows(t, h.gets("dead", "--list", "--json"))
			if len(list) != 1 || list[0]["service"] != "chat" || list[0]["partitionKey"] != "P-1" {
				t.Fatalf("the list is %v", list)
			}
			id, _ := list[0]["id"].(string)
			shown := h.gets("show", id)
			for _, part := range []string{id, "no such agent", "tax id 8501", "policy", "chat", "dead", "sent"} {
				if !strings.Contains(shown, part) {
					t.Errorf("show does not say %q:\n%s", part, shown)
				}
			}
			if out := h.gets("replay", "--id", id, "--dry-run"); !strings.Contains(out, "would replay") {
				t.Errorf("a dry run says %s", out)
			}
			if len(rows(t, h.gets("dead", "--json"))) != 1 {
				t.Fatal("a dry run has changed something")
			}
			h.gets("replay", "--type", "Told", "--partition", "P-1", "--since", "1h")
			close(h.broken)
			select {
			case got := <-h.handled:
				if got != id {
					t.Errorf("%s was handled", got)
				}
			case <-time.After(patience):
				t.Fatal("the replayed dead letter was not handled")
			}
			h.until("[]", "dead", "--json")
			if _, err := h.types("replay", "--id", id); !errors.Is(err, console.ErrFound) {
				t.Errorf("replaying what is not dead answers %v", err)
			}
		})
	}
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

func TestWhatTheBrokerDoesNotTakeIsSeenAndReplayed(t *testing.T) {
	broker := testenv.StartRabbitMQ(t)
	limit := func(bytes int) {
		broker.Ctl("eval", fmt.Sprintf("application:set_env(rabbit, max_message_size, %d).", bytes))
	}
	limit(1 << 16)
	h := newHouse(t, sqlite(t), broker.URL())
	close(h.broken)
	h.run()
	h.tell(told{Text: "small"})
	<-h.handled
	h.tell(told{Text: strings.Repeat("large", 1<<16)})
	out := h.until("larger than", "refused")
	if !strings.Contains(out, "Told") || strings.Contains(out, "largelarge") {
		t.Errorf("refused says %s", out)
	}
	list := rows(t, h.gets("refused", "--json"))
	id, _ := list[0]["id"].(string)
	if shown := h.gets("show", id); !strings.Contains(shown, "larger than") || strings.Contains(shown, "attempts") {
		t.Errorf("show says %s", shown[:200])
	}
	if out := h.gets("lag", "--json"); !strings.Contains(out, `"pending":0`) || !strings.Contains(out, `"refused":1`) {
		t.Errorf("lag says %s", out)
	}
	if out := h.gets("lag"); !strings.Contains(out, "REFUSED") {
		t.Errorf("lag says %s", out)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(console.Metrics{Service: "policy", Outbox: h.outbox})
	if got := metric(t, registry, "parley_outbox_refused"); got != 1 {
		t.Errorf("the metric is %v", got)
	}
	limit(1 << 27)
	if out := h.gets("replay", "--from", "refused", "--all", "--dry-run"); !strings.Contains(out, "would replay") || len(h.handled) > 0 {
		t.Errorf("a dry run says %s", out)
	}
	h.gets("replay", "--from", "refused", "--id", id)
	select {
	case got := <-h.handled:
		if got != id {
			t.Errorf("%s was handled", got)
		}
	case <-time.After(patience):
		t.Fatal("what was replayed was not handled")
	}
	h.until("[]", "refused", "--json")
	if _, err := h.types("replay", "--from", "refused", "--id", id); !errors.Is(err, console.ErrFound) {
		t.Errorf("replaying what is not refused answers %v", err)
	}
}

// metric is the value of one that is there once.
func metric(t *testing.T, from prometheus.Gatherer, name string) float64 {
	t.Helper()
	value, there := look(t, from, name)
	if !there {
		t.Fatalf("there is no metric %s", name)
	}
	return value
}

func look(t *testing.T, from prometheus.Gatherer, name string) (value float64, there bool) {
	t.Helper()
	families, err := from.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == name {
			return family.GetMetric()[0].GetGauge().GetValue(), true
		}
	}
	return 0, false
}

// What a consumer has in hand is no longer ready on the broker: only the consumer
// can tell.
func TestWhatAConsumerHasInHandIsSeen(t *testing.T) {
	h := newHouse(t, sqlite(t), testenv.RabbitMQ(t))
	h.run()
	h.tell(told{Text: "hello"})
	registry := prometheus.NewRegistry()
	registry.MustRegister(console.Metrics{Service: "chat", Broker: h.broker})
	comes := func(name string, right func(float64) bool) {
		t.Helper()
		var value float64
		var there bool
		eventually(t, func() bool {
			value, there = look(t, registry, name)
			return there && right(value)
		}, func() any { return fmt.Sprintf("%s of %v, %v", name, value, there) })
	}
	comes("parley_consumer_in_hand", func(n float64) bool { return n == 1 })
	comes("parley_consumer_in_hand_bytes", func(n float64) bool { return n > 0 && n < 100 })
	if out := h.gets("lag"); !strings.Contains(out, "READY") || !strings.Contains(out, "parley_consumer_in_hand") {
		t.Errorf("lag says\n%s", out)
	}
	if out := h.gets("lag", "--json"); !strings.Contains(out, `"ready":0`) {
		t.Errorf("lag says %s", out)
	}
	close(h.broken)
	<-h.handled
	comes("parley_consumer_in_hand", func(n float64) bool { return n == 0 })
}

func TestTheLagOfABrokerThatDoesNotAnswerIsAFailure(t *testing.T) {
	h := newHouse(t, sqlite(t), "amqp://me:secret@127.0.0.1:1/")
	h.tell(told{Text: "waits"})
	for _, args := range [][]string{{"lag"}, {"lag", "--json"}} {
		out, err := h.types(args...)
		if err == nil || console.ExitCode(err) != 1 || !strings.Contains(err.Error(), "127.0.0.1:1") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q answers %v", args, err)
		}
		if !strings.Contains(out, "policy") || !strings.Contains(out, "127.0.0.1:1") {
			t.Errorf("%q says %s", args, out)
		}
	}
}

func TestWhatIsPublishedByHandIsRefusedInWords(t *testing.T) {
	broker := testenv.StartRabbitMQ(t)
	broker.Ctl("eval", "application:set_env(rabbit, max_message_size, 65536).")
	h := newHouse(t, sqlite(t), broker.URL())
	close(h.broken)
	h.run()
	line := func(id, text string) string {
		return fmt.Sprintf(`{"type":"Told","id":%q,"data":{"text":%q}}`, id, text)
	}
	h.In = strings.NewReader(line("one", "small") + "\n" + line("two", strings.Repeat("large", 1<<16)) + "\n" + line("three", "small"))
	out, err := h.types("publish")
	if !errors.Is(err, console.ErrFound) || !strings.Contains(err.Error(), "larger than") || !strings.Contains(out, "refused") || !strings.Contains(out, "two") {
		t.Errorf("publish says %s, %v", out, err)
	}
	if got := []string{<-h.handled, <-h.handled}; !slices.Contains(got, "one") || !slices.Contains(got, "three") {
		t.Errorf("%v were handled", got)
	}
}

// Each node drops what it has cached when a listener of it hears the event,
// whoever published that.
func TestWhatIsPublishedByHandIsHeardByListeners(t *testing.T) {
	broker := testenv.RabbitMQ(t)
	h := newHouse(t, sqlite(t), broker)
	close(h.broken)
	h.run()
	listener, err := rabbit.Open(h.Broker, quiet)
	if err != nil {
		t.Fatal(err)
	}
	heard, began := make(chan event.Message, 10), make(chan struct{}, 10)
	listen := listener.Listen([]string{"Told"}, func(m event.Message) { heard <- m }, func() { began <- struct{}{} })
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- listen(ctx) }()
	<-began
	h.In = strings.NewReader(`{"type":"Told","id":"one","data":{"text":"changed"}}`)
	h.gets("publish")
	select {
	case m := <-heard:
		if m.ID != "one" {
			t.Errorf("%s was heard", m.ID)
		}
	case <-time.After(patience):
		t.Error("nobody heard it")
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
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

// A consumer whose database was set back hears again what it has forgotten; one
// that has not ignores it.
func TestPublishedEventsAreReplayed(t *testing.T) {
	for name, url := range databases() {
		t.Run(name, func(t *testing.T) { publishedEventsAreReplayed(t, newHouse(t, url(t), testenv.RabbitMQ(t))) })
	}
}

func publishedEventsAreReplayed(t *testing.T, h *house) {
	t.Helper()
	close(h.broken)
	h.run()
	h.tell(told{Text: "1"}, told{Text: "2"})
	first, second := <-h.handled, <-h.handled
	h.until(`"retained":2`, "lag", "--json")
	if out := h.gets("replay", "--from", "outbox", "--all", "--dry-run", "--json"); !strings.Contains(out, `"events":2`) {
		t.Errorf("a dry run says %s", out)
	}
	if _, err := h.db.Exec(t.Context(), "DELETE FROM inbox_event"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.db.Exec(t.Context(), "DELETE FROM inbox_partition"); err != nil {
		t.Fatal(err)
	}
	h.gets("replay", "--from", "outbox", "--id", first, "--id", second)
	for _, want := range []string{first, second} {
		select {
		case got := <-h.handled:
			if got != want {
				t.Errorf("%s was handled, not %s", got, want)
			}
		case <-time.After(patience):
			t.Fatal("what was published again was not handled")
		}
	}
	h.gets("replay", "--from", "outbox", "--type", "Told", "--since", "1h")
	h.until(`"pending":0`, "lag", "--json")
	h.tell(told{Text: "3"})
	if got := <-h.handled; got == first || got == second {
		t.Errorf("%s was handled once more", got)
	}
}

func TestLinesArePublishedAllOrNone(t *testing.T) {
	broker := testenv.RabbitMQ(t)
	h := newHouse(t, sqlite(t), broker)
	close(h.broken)
	h.run()
	h.tell(told{Text: "declared now"})
	<-h.handled
	good := `{"type":"Told","id":"one","data":{"text":"hello"}}`
	for line, says := range map[string]string{
		`{`:                           "no event",
		`{"type":"Told","data":{}}}]`: "one event",
		`{"type":"Told"}`:             "data",
		"{\"type\":\"Told\",\"data\":{\"text\":\"\xe9\"}}":                  "UTF-8",
		`{"type":"Told","data":{},"id":"` + strings.Repeat("i", 256) + `"}`: "255",
		`{"type":"Told","data":[1]}`:                                        "data",
		`{"type":"To ld","data":{}}`:                                        "type",
		`{"type":"Told","data":{},"partitionkey2":"P"}`:                     "partitionkey2",
		`{"type":"Told","data":{},"sequence":3}`:                            "go together",
		`{"type":"Told","data":{},"partitionKey":"P"}`:                      "go together",
		`{"type":"Told","data":{}} {"type":"Told","data":{}}`:               "one event",
		`{"type":"Told","data":{},"partitionKey":"P","sequence":-1}`:        "go together",
	} {
		h.In = strings.NewReader(good + "\n\n" + line + "\n")
		if _, err := h.types("publish"); err == nil || !strings.Contains(err.Error(), "line 3") || !strings.Contains(err.Error(), says) {
			t.Errorf("%s answers %v", line, err)
		}
	}
	h.In = strings.NewReader(good + "\n" + `{"type":"Told","id":"two","source":"erp","partitionKey":"A","sequence":1,"data":{"text":"x"}}`)
	if out := h.gets("publish", "--json"); !strings.Contains(out, `"published":2`) {
		t.Errorf("publish says %s", out)
	}
	got := map[string]bool{<-h.handled: true, <-h.handled: true}
	if !got["one"] || !got["two"] || len(h.handled) > 0 {
		t.Errorf("%v were handled", got)
	}
	h.In = strings.NewReader(`{"type":"Unwanted","id":"three","data":{}}`)
	if out, err := h.types("publish"); !errors.Is(err, console.ErrFound) || !strings.Contains(out, "three") {
		t.Errorf("publishing what nobody wants says %s, %v", out, err)
	}
}

func TestOnlyTheFirstWrongLinesAreTold(t *testing.T) {
	h := newHouse(t, sqlite(t), "")
	for n, more := range map[int]string{10: "", 11: "\nmore wrong lines: 1", 1000: "\nmore wrong lines: 990"} {
		h.In = strings.NewReader(strings.Repeat("x\n", n))
		_, err := h.types("publish")
		if err == nil || strings.Count(err.Error(), "line ") != 10 || !strings.HasSuffix(err.Error(), more) ||
			strings.Contains(err.Error(), "more") != (more != "") {
			t.Errorf("of %d wrong lines is said:\n%v", n, err)
		}
	}
}

// pipe is a writer whose lines a test waits for.
type pipe struct{ lines chan string }

func (p pipe) Write(b []byte) (int, error) { p.lines <- string(b); return len(b), nil }

func TestTailSeesWhatIsPublished(t *testing.T) {
	h := newHouse(t, sqlite(t), testenv.RabbitMQ(t))
	close(h.broken)
	h.run()
	h.tell(told{Text: "declared now"})
	<-h.handled
	out, said := pipe{make(chan string, 100)}, pipe{make(chan string, 100)}
	tail := h.Console
	tail.Out, tail.Err = out, said
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- tail.Run(ctx, []string{"tail", "--json"}) }()
	if line := <-said.lines; !strings.Contains(line, "Told") {
		t.Errorf("tail begins with %s", line)
	}
	h.tell(told{Text: "tax id 8501"})
	id := <-h.handled
	if line := <-out.lines; !strings.Contains(line, id) || strings.Contains(line, "8501") {
		t.Errorf("tail says %s", line)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	// What nobody keeps must stay unroutable.
	if _, err := h.types("tail", "--type", "Unwanted"); err == nil || !strings.Contains(err.Error(), "risk-loss") {
		t.Errorf("a tail of what nobody keeps answers %v", err)
	}
}

func TestTheDoctorFindsWhatIsMissingAndWhatDiffers(t *testing.T) {
	broker := testenv.RabbitMQ(t)
	h := newHouse(t, sqlite(t), broker)
	h.Broker.Queues = "lab-payments-service-Told"
	conn, err := amqp.Dial(broker)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	out, err := h.types("doctor")
	if !errors.Is(err, console.ErrFound) || strings.Count(out, "missing") != 4 {
		t.Errorf("on an empty broker the doctor says %v\n%s", err, out)
	}
	if _, err := ch.QueueDeclare("lab-chat-service-Told", true, false, false, false, amqp.Table{"x-queue-type": "quorum"}); err != nil {
		t.Fatal(err)
	}
	h.declare(t)
	findings := map[string]map[string]any{}
	out, err = h.types("doctor", "--json")
	for _, f := range rows(t, out) {
		findings[fmt.Sprint(f["part"])] = f
	}
	if !errors.Is(err, console.ErrFound) {
		t.Errorf("the doctor answers %v", err)
	}
	for part, state := range map[string]string{
		"exchange lab-dotnet-micro": "ok", "exchange lab-dotnet-micro-listeners": "ok",
		"queue lab-payments-service-Told": "ok", "queue lab-chat-service-Told": "different",
	} {
		if f := findings[part]; f["state"] != state {
			t.Errorf("%s is %v", part, f)
		}
	}
	if f := findings["queue lab-chat-service-Told"]; !strings.Contains(fmt.Sprint(f["detail"]), "x-queue-type") {
		t.Errorf("what differs is %v", f)
	}
	if _, err := ch.QueueDelete("lab-chat-service-Told", false, false, false); err != nil {
		t.Fatal(err)
	}
	if _, err := ch.QueueDeclare("lab-chat-service-Told", true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	if out := h.gets("doctor"); !strings.Contains(out, "nobody consumes it") {
		t.Errorf("the doctor says\n%s", out)
	}
}

// declare has a publisher declare what it declares, and ends it.
func (h *house) declare(t *testing.T) {
	t.Helper()
	transport, err := rabbit.Open(h.Broker, quiet)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- transport.Run(ctx) }()
	transport.Publish(ctx, []event.Message{{ID: "x", Type: "Nothing"}})
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
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

// One id that was mistyped is not noticed among others that were replayed.
func TestNothingIsReplayedIfAnIDIsNotThere(t *testing.T) {
	for name, url := range databases() {
		t.Run(name, func(t *testing.T) { nothingIsReplayed(t, newHouse(t, url(t), testenv.RabbitMQ(t))) })
	}
}

func nothingIsReplayed(t *testing.T, h *house) {
	t.Helper()
	close(h.broken)
	h.run()
	h.tell(told{Text: "1"}, told{Text: "2"})
	first, second := <-h.handled, <-h.handled
	h.until(`"retained":2`, "lag", "--json")
	for _, args := range [][]string{{}, {"--dry-run"}, {"--json"}} {
		out, err := h.types(append([]string{"replay", "--from", "outbox", "--id", first, "--id", "nothere", "--id", "nor this"}, args...)...)
		if err == nil || console.ExitCode(err) != 1 || !strings.Contains(err.Error(), "nothere, nor this") || strings.Contains(err.Error(), first) || out != "" {
			t.Errorf("%q answers %v, and says %s", args, err, out)
		}
	}
	// It is there, but none of those that are chosen.
	if _, err := h.types("replay", "--from", "outbox", "--id", first, "--type", "Unwanted"); !errors.Is(err, console.ErrFound) || !strings.Contains(err.Error(), first) {
		t.Errorf("an id of another type answers %v", err)
	}
	if out := h.gets("lag", "--json"); !strings.Contains(out, `"retained":2`) {
		t.Errorf("something was replayed: %s", out)
	}
	if out := h.gets("replay", "--from", "outbox", "--id", first, "--id", second, "--id", first, "--json"); !strings.Contains(out, `"events":2`) {
		t.Errorf("both are replayed: %s", out)
	}
}

func TestAReplayThatNoServiceHasIsAFailure(t *testing.T) {
	h := newHouse(t, sqlite(t), "")
	told, hears := h.Services[0], h.Services[1]
	for from, service := range map[string]console.Service{"outbox": hears, "refused": hears, "dead": told} {
		h.Services = []console.Service{service}
		for _, chosen := range [][]string{{"--all"}, {"--id", "1"}} {
			_, err := h.types(append([]string{"replay", "--from", from}, chosen...)...)
			if err == nil || console.ExitCode(err) != 1 || !strings.Contains(err.Error(), "no service here has what to replay from "+from) {
				t.Errorf("from %s answers %v", from, err)
			}
		}
	}
}

func TestTheLagOfWhoWantsNoQueueTellsOfNone(t *testing.T) {
	h := newHouse(t, sqlite(t), testenv.RabbitMQ(t))
	h.Services, h.Broker.Queues = h.Services[:1], ""
	if out := h.gets("lag"); !strings.Contains(out, "policy") || strings.Contains(out, "QUEUE") || strings.Contains(out, "READY") || strings.HasSuffix(out, "\n\n") {
		t.Errorf("lag says\n%s", out)
	}
	if out := h.gets("lag", "--json"); !strings.Contains(out, `"queues":[]`) {
		t.Errorf("lag says %s", out)
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
		if coded, ok := errors.AsType[console.UsageError](err); !ok || coded.ExitCode() != 2 {
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
	h.Services = []console.Service{{Name: "policy", DatabaseURL: "sqlite:" + filepath.Join(t.TempDir(), "none.db"), Source: "policy"}}
	if _, err := h.types("lag"); err == nil || !strings.Contains(err.Error(), "none.db") {
		t.Errorf("a database that is not there answers %v", err)
	}
}
