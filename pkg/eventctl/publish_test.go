package eventctl_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"parley.internal/pkg/event"
	"parley.internal/pkg/eventctl"
	"parley.internal/pkg/rabbit"
	"parley.internal/pkg/testenv"
)

func TestPublishReportsRejectedEvent(t *testing.T) {
	broker := testenv.StartRabbitMQ(t)
	broker.MaxMessage(1 << 16)
	f := newFixture(t, sqlite(t), broker.URL())
	close(f.results)
	f.start()
	line := func(id, text string) string {
		return fmt.Sprintf(`{"type":"Greeted","id":%q,"data":{"text":%q}}`, id, text)
	}
	f.In = strings.NewReader(line("one", "small") + "\n" + line("two", strings.Repeat("large", 1<<16)) + "\n" + line("three", "small"))
	out, err := f.command("publish")
	if !errors.Is(err, eventctl.ErrProblem) || !strings.Contains(err.Error(), "larger than") || !strings.Contains(out, "rejected") || !strings.Contains(out, "two") {
		t.Errorf("got %s and error %v, want event two rejected as too large", out, err)
	}
	if got := []string{<-f.handled, <-f.handled}; !slices.Contains(got, "one") || !slices.Contains(got, "three") {
		t.Errorf("got events %v handled, want the others", got)
	}
}

// A listener on each node drops a cache at an event, also at one that an operator
// published.
func TestPublishReachesListeners(t *testing.T) {
	broker := testenv.RabbitMQ(t)
	f := newFixture(t, sqlite(t), broker)
	close(f.results)
	f.start()
	listener, err := rabbit.NewListener(f.Broker)
	if err != nil {
		t.Fatal(err)
	}
	received, began := make(chan event.Message, 10), make(chan struct{}, 10)
	listen := listener.Listen([]string{"Greeted"}, func(m event.Message) { received <- m }, func() { began <- struct{}{} })
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- listen(ctx) }()
	<-began
	f.In = strings.NewReader(`{"type":"Greeted","id":"one","data":{"text":"changed"}}`)
	f.output("publish")
	select {
	case m := <-received:
		if m.ID != "one" {
			t.Errorf("listener got event %s, want one", m.ID)
		}
	case <-time.After(timeout):
		t.Errorf("listener got no event within %s", timeout)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestPublishIsAllOrNothing(t *testing.T) {
	broker := testenv.RabbitMQ(t)
	f := newFixture(t, sqlite(t), broker)
	close(f.results)
	f.start()
	f.write(greeted{Text: "declares the topology"})
	<-f.handled
	good := `{"type":"Greeted","id":"one","data":{"text":"hello"}}`
	for line, want := range map[string]string{
		`{`:                              "not an event",
		`{"type":"Greeted","data":{}}}]`: "more than one event",
		`{"type":"Greeted"}`:             "data",
		"{\"type\":\"Greeted\",\"data\":{\"text\":\"\xe9\"}}":                  "UTF-8",
		`{"type":"Greeted","data":{},"id":"` + strings.Repeat("i", 256) + `"}`: "255",
		`{"type":"Greeted","data":[1]}`:                                        "data",
		`{"type":"To ld","data":{}}`:                                           "type",
		`{"type":"Greeted","data":{},"partitionkey2":"P"}`:                     "partitionkey2",
		`{"type":"Greeted","data":{},"sequence":3}`:                            "go together",
		`{"type":"Greeted","data":{},"partitionKey":"P"}`:                      "go together",
		`{"type":"Greeted","data":{}} {"type":"Greeted","data":{}}`:            "more than one event",
		`{"type":"Greeted","data":{},"partitionKey":"P","sequence":-1}`:        "go together",
	} {
		f.In = strings.NewReader(good + "\n\n" + line + "\n")
		if _, err := f.command("publish"); err == nil || !strings.Contains(err.Error(), "line 3") || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v for %s, want line 3 and %q", err, line, want)
		}
	}
	f.In = strings.NewReader(good + "\n" + `{"type":"Greeted","id":"two","source":"erp","partitionKey":"A","sequence":1,"data":{"text":"x"}}`)
	if out := f.output("publish", "--json"); !strings.Contains(out, `"published":2`) {
		t.Errorf("publish prints %s", out)
	}
	got := map[string]bool{<-f.handled: true, <-f.handled: true}
	if !got["one"] || !got["two"] || len(f.handled) > 0 {
		t.Errorf("got events %v handled, want the others", got)
	}
	f.In = strings.NewReader(`{"type":"Unbound","id":"three","data":{}}`)
	if out, err := f.command("publish"); !errors.Is(err, eventctl.ErrProblem) || !strings.Contains(out, "three") {
		t.Errorf("got %s and error %v, want event three unroutable", out, err)
	}
}

func TestPublishReportsFirstInvalidLines(t *testing.T) {
	f := newFixture(t, sqlite(t), "")
	for n, more := range map[int]string{10: "", 11: "\nmore invalid lines: 1", 1000: "\nmore invalid lines: 990"} {
		f.In = strings.NewReader(strings.Repeat("x\n", n))
		_, err := f.command("publish")
		if err == nil || strings.Count(err.Error(), "line ") != 10 || !strings.HasSuffix(err.Error(), more) ||
			strings.Contains(err.Error(), "more") != (more != "") {
			t.Errorf("got for %d invalid lines:\n%v", n, err)
		}
	}
}

// pipe is a writer that passes lines to a test.
type pipe struct{ lines chan string }

func (p pipe) Write(b []byte) (int, error) { p.lines <- string(b); return len(b), nil }

func TestTailPrintsPublishedEvents(t *testing.T) {
	f := newFixture(t, sqlite(t), testenv.RabbitMQ(t))
	close(f.results)
	f.start()
	f.write(greeted{Text: "declares the topology"})
	<-f.handled
	out, problems := pipe{make(chan string, 100)}, pipe{make(chan string, 100)}
	tail := f.CLI
	tail.Out, tail.Err = out, problems
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- tail.Run(ctx, []string{"tail", "--json"}) }()
	if line := <-problems.lines; !strings.Contains(line, "Greeted") {
		t.Errorf("tail starts with %s, want type Greeted", line)
	}
	f.write(greeted{Text: "tax id 8501"})
	id := <-f.handled
	if line := <-out.lines; !strings.Contains(line, id) || strings.Contains(line, "8501") {
		t.Errorf("tail prints %s, want event %s without its body", line, id)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	// An event without a queue must stay unroutable.
	if _, err := f.command("tail", "--type", "Unbound"); err == nil || !strings.Contains(err.Error(), "risk-loss") {
		t.Errorf("got error %v for a type without a queue, want a hint at --risk-loss", err)
	}
}
