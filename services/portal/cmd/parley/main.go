// Command parley is the agents' portal: the web app, sign-in, and the policy
// and chat services in one process.
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
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

const usage = `parley                 serves the portal; the README lists its environment
parley events help     lists what an operator can do with events
parley hash-password   reads a password from standard input and prints the hash for an agents file
`

// run is the program. Nil means a clean stop.
func run(ctx context.Context, args, environ []string, stdin io.Reader, stdout, stderr io.Writer) error {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	defer context.AfterFunc(ctx, stop)() // A second signal ends it at once.
	switch {
	case len(args) == 0:
		return serve(ctx, environ, stdout, stderr)
	case args[0] == "events":
		return operate(ctx, args[1:], environ, stdin, stdout, stderr)
	case len(args) == 1 && args[0] == "hash-password":
		return hashPassword(stdin, stdout)
	case len(args) == 1 && (args[0] == "help" || args[0] == "-h" || args[0] == "--help"):
		_, err := io.WriteString(stdout, usage)
		return err
	default:
		return fmt.Errorf("unknown arguments %q; this is what there is:\n%s", args, usage)
	}
}

// operate reads the environment of the portal, and makes nothing of what the
// portal would make.
func operate(ctx context.Context, args, environ []string, stdin io.Reader, stdout, stderr io.Writer) error {
	cfg, err := readConfig(environ)
	if err != nil {
		return err
	}
	settings := cfg.places()
	events := eventctl.CLI{
		Program: "parley", Services: server.EventServices(settings), Broker: settings.Broker,
		In: stdin, Out: stdout, Err: stderr,
	}
	return events.Run(ctx, args)
}

func serve(ctx context.Context, environ []string, stdout, stderr io.Writer) error {
	cfg, err := readConfig(environ)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewJSONHandler(stderr, nil))
	slog.SetDefault(log)

	if err := os.MkdirAll(cfg.Data, 0o700); err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	unlock, err := lock(cfg.Data)
	if err != nil {
		return err
	}
	defer unlock()
	settings, err := cfg.settings(log)
	if err != nil {
		return err
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

// greet tells where the portal is, and who can sign in for a try.
func greet(w io.Writer, addr net.Addr, demo bool) {
	fmt.Fprintf(w, "Parley is at http://%s\n", addr)
	if !demo {
		return
	}
	fmt.Fprint(w, `Demo sign-ins, known to everybody (PARLEY_AGENTS names a file with your own agents):
  jimmy.solid / secret
  danny.solid / secret
  admin       / admin
`)
}
