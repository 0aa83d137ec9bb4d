// Command chatd runs the chat service.
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
	"runtime/debug"
	"syscall"

	"github.com/caarlos0/env/v11"

	"parley.internal/chat/server"
	"parley.internal/pkg/eventctl"
	"parley.internal/pkg/rabbit"
)

// gcPercent is lower than Go's default of 100. Most of chatd's memory is idle connections:
// more frequent collections cost little, and leave less garbage beside them. GOGC overrides
// the value.
const gcPercent = 40

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	err := run(context.Background(), os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, "chatd:", err)
		os.Exit(eventctl.ExitCode(err))
	}
}

// config is chatd's environment.
type config struct {
	Addr           string  `env:"CHAT_ADDR"         envDefault:"127.0.0.1:8082"`
	DatabaseURL    string  `env:"CHAT_DATABASE_URL" envDefault:"sqlite:.parley/chat.db"`
	Secret         string  `env:"AUTH_SECRET"`
	AllowedOrigins string  `env:"ALLOWED_ORIGINS"`
	BrokerURLs     string  `env:"RABBITMQ_URL"`
	Exchange       string  `env:"EVENTS_EXCHANGE"`
	QueueType      string  `env:"EVENTS_QUEUE_TYPE"`
	Queues         string  `env:"EVENTS_QUEUES"`
	MessageRate    float64 `env:"CHAT_MESSAGE_RATE" envDefault:"20"`
	Connections    int     `env:"CHAT_CONNECTIONS"  envDefault:"20"`
	ConnectRate    float64 `env:"CHAT_CONNECT_RATE" envDefault:"0"`
}

// maxLimit rejects typing errors.
const maxLimit = 1e6

func readConfig(environ []string) (config, error) {
	cfg, err := env.ParseAsWithOptions[config](env.Options{Environment: env.ToMap(environ)})
	if err != nil {
		return config{}, fmt.Errorf("read environment: %w", err)
	}
	// The conditions are false for NaN.
	if !(cfg.MessageRate >= 0 && cfg.MessageRate < maxLimit && cfg.ConnectRate >= 0 && cfg.ConnectRate < maxLimit) ||
		cfg.Connections < 0 {
		return config{}, errors.New("read environment: a CHAT_ limit is not a number from 0 to a million; 0 means none")
	}
	return cfg, nil
}

// run runs the program. Nil means a clean stop.
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
			Program: "chatd", Services: []eventctl.Service{server.EventService(cfg.DatabaseURL)}, Broker: cfg.broker(),
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

const usage = `chatd                 run the chat service; the README lists the environment
chatd events help     list the operators' commands for events
`

// broker returns the configuration of the broker and the topology.
func (c config) broker() rabbit.Config {
	return rabbit.Config{URLs: c.BrokerURLs, Exchange: c.Exchange, QueueType: c.QueueType, Queues: c.Queues}
}

func (c config) settings(log *slog.Logger) server.Config {
	return server.Config{
		DatabaseURL: c.DatabaseURL, Secret: []byte(c.Secret), AllowedOrigins: c.AllowedOrigins,
		Broker:      c.broker(),
		MessageRate: c.MessageRate, Connections: c.Connections, ConnectRate: c.ConnectRate,
		Log: log,
	}
}

func serve(ctx context.Context, environ []string, stdout, stderr io.Writer) error {
	cfg, err := readConfig(environ)
	if err != nil {
		return err
	}
	if cfg.Secret == "" {
		return errors.New("AUTH_SECRET is not set: the portal's secret for signing tokens, at least 32 bytes")
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
	fmt.Fprintf(stdout, "chatd is at http://%s\n", listener.Addr())
	return s.Serve(ctx, listener)
}
