package daemon

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley.internal/pkg/eventctl"
	"parley.internal/pkg/rabbit"
	"parley.internal/pkg/telemetry"
)

// config is the environment of greeterd.
type config struct {
	Addr   string `env:"GREETER_ADDR" envDefault:"127.0.0.1:0"`
	Secret string `env:"AUTH_SECRET"`
	Broker rabbit.Config

	opened *greeter
	err    error // of Open
}

func (c *config) Address() string { return c.Addr }

func (c *config) Validate() error {
	if c.Secret == "" {
		return errors.New("AUTH_SECRET is not set")
	}
	return nil
}

func (c *config) Open(context.Context, *slog.Logger) (Service, error) {
	c.opened = &greeter{}
	return c.opened, c.err
}

func (c *config) Events() (eventctl.Service, rabbit.Config) {
	return eventctl.Service{Name: "greeter"}, c.Broker
}

// greeter is a service without an API.
type greeter struct{ drained bool }

func (*greeter) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

func (g *greeter) Drain(context.Context)      { g.drained = true }
func (*greeter) Handler() http.Handler        { return http.NotFoundHandler() }
func (*greeter) Check(context.Context) error  { return nil }
func (*greeter) Degraded() []string           { return []string{"no broker"} }
func (*greeter) Measure(m *telemetry.Metrics) { m.Routes("/greetings") }

func program(c *config) Program { return Program{Name: "greeterd", Usage: "greeterd\n", Config: c} }

func get(t *testing.T, url string) (body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestProgramServesUntilStopped(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	out, in := io.Pipe()
	ended := make(chan error, 1)
	c := &config{}
	go func() { ended <- program(c).run(ctx, nil, []string{"AUTH_SECRET=s"}, nil, in, io.Discard) }()
	greeting := make([]byte, 100)
	n, err := out.Read(greeting)
	if err != nil {
		t.Fatal(err)
	}
	url, ok := strings.CutPrefix(strings.TrimSpace(string(greeting[:n])), "greeterd is at ")
	if !ok {
		t.Fatalf("got output %q", greeting[:n])
	}
	if body := get(t, url+"/readyz"); !strings.Contains(body, "no broker") {
		t.Errorf("got readiness %q, want the problem", body)
	}
	if body := get(t, url+"/metrics"); !strings.Contains(body, "go_goroutines") {
		t.Errorf("got metrics %q", body)
	}
	stop()
	if err := <-ended; err != nil || !c.opened.drained {
		t.Errorf("the program ended with error %v, drained %t", err, c.opened.drained)
	}
}

func TestProgramReadsEnvironment(t *testing.T) {
	c := &config{}
	environ := []string{
		"AUTH_SECRET=s", "GREETER_ADDR=x", "RABBITMQ_URL=amqp://h", "EVENTS_EXCHANGE=e", "EVENTS_QUEUE_TYPE=quorum", "EVENTS_QUEUES=a-B",
	}
	// The commands for events need no valid address.
	if err := program(c).run(t.Context(), []string{"events", "help"}, environ, nil, io.Discard, io.Discard); err != nil {
		t.Fatal(err)
	}
	want := rabbit.Config{URLs: "amqp://h", Exchange: "e", QueueType: "quorum", Queues: "a-B"}
	if diff := cmp.Diff(want, c.Broker); diff != "" || c.Addr != "x" {
		t.Errorf("address %q, broker (-want +got):\n%s", c.Addr, diff)
	}
}

func TestProgramEndsWithError(t *testing.T) {
	tests := map[string]struct {
		args, environ []string
		config        config
		err           string
	}{
		"an invalid environment":    {err: "AUTH_SECRET is not set"},
		"an unknown argument":       {args: []string{"--port"}, err: "unknown arguments [\"--port\"]; usage:\ngreeterd\n"},
		"an unknown event command":  {args: []string{"events", "none"}, err: `greeterd events has no command "none"`},
		"an invalid address":        {environ: []string{"AUTH_SECRET=s", "GREETER_ADDR=256.0.0.1:1"}, err: "listen: "},
		"a service that cannot run": {environ: []string{"AUTH_SECRET=s"}, config: config{err: errors.New("no database")}, err: "start: no database"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			err := program(&tt.config).run(t.Context(), tt.args, tt.environ, nil, io.Discard, io.Discard)
			if err == nil || !strings.HasPrefix(err.Error(), tt.err) {
				t.Errorf("got error %v, want %q", err, tt.err)
			}
		})
	}
}

func TestHelpPrintsUsage(t *testing.T) {
	for _, argument := range []string{"help", "-h", "--help"} {
		var out bytes.Buffer
		if err := program(&config{}).run(t.Context(), []string{argument}, nil, nil, &out, io.Discard); err != nil || out.String() != "greeterd\n" {
			t.Errorf("%s: got %q, error %v", argument, &out, err)
		}
	}
}
