// Command parley is the agents' portal: the web app, sign-in, and by default the
// policy and chat services in the same process.
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"parley.internal/pkg/eventctl"
	"parley.internal/portal/server"
)

func main() {
	if err := run(context.Background(), os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "parley:", err)
		os.Exit(eventctl.ExitCode(err))
	}
}

const usage = `parley                 serves the portal; deployments/README.md lists its environment variables
parley events help     lists the operators' commands for events
parley hash-password   prints the hash of a password on standard input, for an agents file
`

// run runs the program. A nil error means a clean stop.
func run(ctx context.Context, args, environ []string, stdin io.Reader, stdout, stderr io.Writer) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	defer context.AfterFunc(ctx, stop)() // A second signal ends the process at once.
	switch {
	case len(args) == 0:
		return serve(ctx, environ, stdout, stderr)
	case args[0] == "events":
		// The data folder and the secret are not created.
		cfg, err := readConfig(environ)
		if err != nil {
			return err
		}
		settings := cfg.server()
		events := eventctl.CLI{
			Program: "parley", Services: server.EventServices(settings), Broker: settings.Broker,
			In: stdin, Out: stdout, Err: stderr,
		}
		return events.Run(ctx, args[1:])
	case len(args) == 1 && args[0] == "hash-password":
		return hashPassword(stdin, stdout)
	case len(args) == 1 && (args[0] == "help" || args[0] == "-h" || args[0] == "--help"):
		_, err := io.WriteString(stdout, usage)
		return err
	default:
		return fmt.Errorf("unknown arguments %q; usage:\n%s", args, usage)
	}
}

func serve(ctx context.Context, environ []string, stdout, stderr io.Writer) error {
	cfg, err := readConfig(environ)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewJSONHandler(stderr, nil))
	slog.SetDefault(log)

	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return fmt.Errorf("create data folder: %w", err)
	}
	unlock, err := lock(cfg.Data)
	if err != nil {
		return err
	}
	defer unlock()
	settings := cfg.server()
	settings.Log = log
	if cfg.Secret == "" {
		if settings.Secret, err = loadSecret(filepath.Join(cfg.Data, "secret")); err != nil {
			return fmt.Errorf("load secret: %w", err)
		}
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.Addr)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	s, err := server.New(ctx, settings)
	if err != nil {
		return fmt.Errorf("start: %w", err)
	}
	greet(stdout, listener.Addr(), cfg.AgentsFile == "")
	return s.Run(ctx, listener)
}

// greet prints the portal's address and the demo sign-ins.
func greet(w io.Writer, addr net.Addr, demo bool) {
	fmt.Fprintf(w, "Parley is at http://%s\n", addr)
	if !demo {
		return
	}
	fmt.Fprint(w, `Demo sign-ins, known to everybody (set PARLEY_AGENTS to a file with your own agents):
  jimmy.solid / secret
  danny.solid / secret
  admin       / admin
`)
}
