// Command paymentsd runs the payments service.
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

	"parley.internal/payments/server"
	"parley.internal/pkg/eventctl"
	"parley.internal/pkg/rabbit"
)

func main() {
	err := run(context.Background(), os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, "paymentsd:", err)
		os.Exit(eventctl.ExitCode(err))
	}
}

// config is the environment of paymentsd.
type config struct {
	Addr        string `env:"PAYMENTS_ADDR"         envDefault:"127.0.0.1:8083"`
	DatabaseURL string `env:"PAYMENTS_DATABASE_URL" envDefault:"sqlite:.parley/payments.db"`
	BrokerURLs  string `env:"RABBITMQ_URL"`
	Exchange    string `env:"EVENTS_EXCHANGE"`
	QueueType   string `env:"EVENTS_QUEUE_TYPE"`
	Queues      string `env:"EVENTS_QUEUES"`
}

func readConfig(environ []string) (config, error) {
	cfg, err := env.ParseAsWithOptions[config](env.Options{Environment: env.ToMap(environ)})
	if err != nil {
		return config{}, fmt.Errorf("read environment: %w", err)
	}
	return cfg, nil
}

const usage = `paymentsd               runs the payments service
paymentsd events help   lists the operators' commands for its events
`

// run executes the command line. Nil means a clean stop.
func run(ctx context.Context, args, environ []string, stdin io.Reader, stdout, stderr io.Writer) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	defer context.AfterFunc(ctx, stop)() // A second signal kills the process.
	switch {
	case len(args) == 0:
		return serve(ctx, environ, stdout, stderr)
	case args[0] == "events":
		cfg, err := readConfig(environ)
		if err != nil {
			return err
		}
		c := eventctl.CLI{
			Program: "paymentsd", Services: []eventctl.Service{server.EventService(cfg.DatabaseURL)}, Broker: cfg.broker(),
			In: stdin, Out: stdout, Err: stderr,
		}
		return c.Run(ctx, args[1:])
	case len(args) == 1 && (args[0] == "help" || args[0] == "-h" || args[0] == "--help"):
		_, err := io.WriteString(stdout, usage)
		return err
	default:
		return fmt.Errorf("unknown arguments %q; usage:\n%s", args, usage)
	}
}

func (c config) broker() rabbit.Config {
	return rabbit.Config{URLs: c.BrokerURLs, Exchange: c.Exchange, QueueType: c.QueueType, Queues: c.Queues}
}

func serve(ctx context.Context, environ []string, stdout, stderr io.Writer) error {
	cfg, err := readConfig(environ)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewJSONHandler(stderr, nil))
	slog.SetDefault(log)

	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.Addr)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	s, err := server.New(ctx, server.Config{DatabaseURL: cfg.DatabaseURL, Broker: cfg.broker(), Log: log})
	if err != nil {
		return errors.Join(fmt.Errorf("start: %w", err), listener.Close())
	}
	fmt.Fprintf(stdout, "paymentsd is at http://%s\n", listener.Addr())
	return s.Serve(ctx, listener)
}
