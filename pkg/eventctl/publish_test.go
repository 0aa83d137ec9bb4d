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

func TestWhatIsPublishedByHandIsRefusedInWords(t *testing.T) {
	broker := testenv.StartRabbitMQ(t)
	broker.MaxMessage(1 << 16)
	h := newHouse(t, sqlite(t), broker.URL())
	close(h.broken)
	h.run()
	line := func(id, text string) string {
		return fmt.Sprintf(`{"type":"Told","id":%q,"data":{"text":%q}}`, id, text)
	}
	h.In = strings.NewReader(line("one", "small") + "\n" + line("two", strings.Repeat("large", 1<<16)) + "\n" + line("three", "small"))
	out, err := h.types("publish")
	if !errors.Is(err, eventctl.ErrFound) || !strings.Contains(err.Error(), "larger than") || !strings.Contains(out, "refused") || !strings.Contains(out, "two") {
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
	if out, err := h.types("publish"); !errors.Is(err, eventctl.ErrFound) || !strings.Contains(out, "three") {
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
	tail := h.CLI
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
