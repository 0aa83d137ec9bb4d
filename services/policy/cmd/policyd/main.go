// Command policyd runs the policy service.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/caarlos0/env/v11"

	"parley.internal/pkg/eventctl"
	"parley.internal/pkg/rabbit"
	"parley.internal/policy/server"
)

func main() {
	err := run(context.Background(), os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, "policyd:", err)
		os.Exit(eventctl.ExitCode(err))
	}
}

// config is the environment of policyd.
type config struct {
	Addr           string `env:"POLICY_ADDR"         envDefault:"127.0.0.1:8081"`
	DatabaseURL    string `env:"POLICY_DATABASE_URL" envDefault:"sqlite:.parley/policy.db"`
	Secret         string `env:"AUTH_SECRET"`
	AllowedOrigins string `env:"ALLOWED_ORIGINS"`
	BrokerURLs     string `env:"RABBITMQ_URL"`
	Exchange       string `env:"EVENTS_EXCHANGE"`
	QueueType      string `env:"EVENTS_QUEUE_TYPE"`
	Queues         string `env:"EVENTS_QUEUES"`
}

func readConfig(environ []string) (config, error) {
	cfg, err := env.ParseAsWithOptions[config](env.Options{Environment: env.ToMap(environ)})
	if err != nil {
		return config{}, fmt.Errorf("read environment: %w", err)
	}
	return cfg, nil
}

const usage = `policyd               run the policy service; the README lists its environment variables
policyd events help   list the commands for operators
`

// run runs the command in args. It returns nil after a clean stop.
func run(ctx context.Context, args, environ []string, stdin io.Reader, stdout, stderr io.Writer) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	defer context.AfterFunc(ctx, stop)() // A second signal ends the process at once.
	switch {
	case len(args) == 0:
		return serve(ctx, environ, stdout, stderr)
	case args[0] == "events":
		cfg, err := readConfig(environ)
		if err != nil {
			return err
		}
		events := eventctl.CLI{
			Program: "policyd", Services: []eventctl.Service{server.EventService(cfg.DatabaseURL)}, Broker: cfg.broker(),
			In: stdin, Out: stdout, Err: stderr,
		}
		return events.Run(ctx, args[1:])
	case len(args) == 1 && (args[0] == "help" || args[0] == "-h" || args[0] == "--help"):
		_, err := io.WriteString(stdout, usage)
		return err
	default:
		return fmt.Errorf("unknown arguments %q; usage:\n%s", args, usage)
	}
}

// broker returns the address of RabbitMQ and the topology.
func (c config) broker() rabbit.Config {
	return rabbit.Config{URLs: c.BrokerURLs, Exchange: c.Exchange, QueueType: c.QueueType, Queues: c.Queues}
}

func (c config) settings(log *slog.Logger) server.Config {
	return server.Config{
		DatabaseURL: c.DatabaseURL, Secret: []byte(c.Secret), AllowedOrigins: c.AllowedOrigins,
		Broker: c.broker(), Log: log,
	}
}

func serve(ctx context.Context, environ []string, stdout, stderr io.Writer) error {
	cfg, err := readConfig(environ)
	if err != nil {
		return err
	}
	if cfg.Secret == "" {
		return errors.New("AUTH_SECRET is not set: it must be the token issuer's secret, at least 32 bytes")
	}
	log := slog.New(slog.NewJSONHandler(stderr, nil))
	slog.SetDefault(log)

	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.Addr)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	s, err := server.New(ctx, cfg.settings(log))
	if err != nil {
		return errors.Join(fmt.Errorf("start: %w", err), listener.Close())
	}
	fmt.Fprintf(stdout, "policyd is at http://%s\n", listener.Addr())
	return s.Serve(ctx, listener)
}
