// Package daemon runs a service as a program: the command line with the operators'
// commands for events, the environment, signals, and HTTP with health and metrics.
//
// The promise: a program stops cleanly at the first SIGINT or SIGTERM, and at once
// at the second.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/caarlos0/env/v11"

	"parley.internal/pkg/eventctl"
	"parley.internal/pkg/rabbit"
	"parley.internal/pkg/telemetry"
	"parley.internal/pkg/web"
)

// Service is a running service.
type Service interface {
	web.Service

	Handler() http.Handler
	// Check returns an error if the service cannot do its work.
	Check(ctx context.Context) error
	// Degraded describes problems beside which the service still works.
	Degraded() []string
	// Measure registers the metrics and the routes of the service.
	Measure(m *telemetry.Metrics)
}

// Serve serves a service, health and metrics on a listener until ctx ends, and then
// drains as web.Serve does. Nil means a clean stop.
func Serve(ctx context.Context, listener net.Listener, s Service) error {
	health := telemetry.Health{Check: s.Check, Degraded: s.Degraded}
	defer context.AfterFunc(ctx, health.Drain)()
	metrics := telemetry.NewMetrics()
	s.Measure(metrics)
	return web.Serve(ctx, listener, health.Wrap(metrics.Wrap(s.Handler())), s)
}

// Config is the environment of a program: a pointer to a struct with env tags.
type Config interface {
	// Address returns the host and port to listen on.
	Address() string
	// Validate rejects an environment in which the service cannot start.
	Validate() error
	// Open opens the service.
	Open(ctx context.Context, log *slog.Logger) (Service, error)
	// Events describes the service to the operators' commands, also when the service
	// cannot be opened.
	Events() (eventctl.Service, rabbit.Config)
}

// Program is a service's program. Usage is the text of its help.
type Program struct {
	Name, Usage string
	Config      Config
}

// Main executes a command line with the standard streams of the process and returns
// the exit code.
func (p Program) Main(args, environ []string) (exitCode int) {
	if err := p.run(context.Background(), args, environ, os.Stdin, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", p.Name, err)
		return eventctl.ExitCode(err)
	}
	return 0
}

func (p Program) run(ctx context.Context, args, environ []string, stdin io.Reader, stdout, stderr io.Writer) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	defer context.AfterFunc(ctx, stop)() // A second signal ends the process at once.
	if len(args) == 1 && slices.Contains([]string{"help", "-h", "--help"}, args[0]) {
		_, err := io.WriteString(stdout, p.Usage)
		return err
	}
	if len(args) > 0 && args[0] != "events" {
		return fmt.Errorf("unknown arguments %q; usage:\n%s", args, p.Usage)
	}
	if err := env.ParseWithOptions(p.Config, env.Options{Environment: env.ToMap(environ)}); err != nil {
		return fmt.Errorf("read environment: %w", err)
	}
	if len(args) == 0 {
		return p.serve(ctx, stdout, stderr)
	}
	service, broker := p.Config.Events()
	events := eventctl.CLI{
		Program: p.Name, Services: []eventctl.Service{service}, Broker: broker, In: stdin, Out: stdout, Err: stderr,
	}
	return events.Run(ctx, args[1:])
}

// serve runs the service and logs as JSON to stderr.
func (p Program) serve(ctx context.Context, stdout, stderr io.Writer) error {
	if err := p.Config.Validate(); err != nil {
		return err
	}
	log := slog.New(slog.NewJSONHandler(stderr, nil))
	slog.SetDefault(log)
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", p.Config.Address())
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	s, err := p.Config.Open(ctx, log)
	if err != nil {
		return errors.Join(fmt.Errorf("start: %w", err), listener.Close())
	}
	fmt.Fprintf(stdout, "%s is at http://%s\n", p.Name, listener.Addr())
	return Serve(ctx, listener, s)
}
