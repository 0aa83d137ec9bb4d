// Package eventctl is the operators' command over the event layer. Subcommands
// measure backlogs, list, show and replay events, publish and tail events, and
// compare the broker's topology with the expected topology.
//
// The promise: a command changes only the events named in the arguments, and
// prints the body of an event only when asked for this event.
package eventctl

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"slices"

	"parley.internal/pkg/event"
	"parley.internal/pkg/rabbit"
)

// Service describes the event side of a service.
type Service struct {
	Name        string   // "policy"
	DatabaseURL string   // of the service
	Source      string   // source of published events; "": publishes none
	Consumer    string   // name on the broker and in the inbox; "": consumes none
	Types       []string // consumed event types
}

// CLI is the command "events" of a program.
type CLI struct {
	Program  string    // "policyd", for the help
	Services []Service // run by the program
	Broker   rabbit.Config
	In       io.Reader
	Out, Err io.Writer
}

// UsageError reports invalid arguments.
type UsageError struct{ text string }

func (e UsageError) Error() string { return e.text }

// ExitCode returns 2: scripts can tell wrong usage from a failure.
func (UsageError) ExitCode() int { return 2 }

func usageErrorf(format string, args ...any) error { return UsageError{fmt.Sprintf(format, args...)} }

// ErrProblem reports a problem found by a command that worked.
var ErrProblem = errors.New("problem found")

// command is a subcommand with at most maxArgs positional arguments. prepare
// registers flags and returns the function to run after parsing.
type command struct {
	name, help, usage string
	maxArgs           int
	prepare           func(c *CLI, f *flags) func(ctx context.Context, args []string) error
}

var commands = []command{
	{"lag", "backlog of each outbox, inbox and queue", lagUsage, 0, prepareLag},
	{"pending", "events that are not published yet", listUsage, 0, prepareList("pending")},
	{"unroutable", "events without a bound queue", listUsage, 0, prepareList("unroutable")},
	{"rejected", "events that the broker rejects, with the reason", listUsage, 0, prepareList("rejected")},
	{"dead", "dead letters by type and error; --list: each of them", deadUsage, 0, prepareDead},
	{"show", "one event with its body: show <id>", "<id> [--json]", 1, prepareShow},
	{"replay", "dead letters again, or published (--from outbox) or rejected (--from rejected) events", replayUsage, 0, prepareReplay},
	{"publish", "events from standard input, one JSON object per line", publishUsage, 0, preparePublish},
	{"tail", "events as they are published", tailUsage, 0, prepareTail},
	{"doctor", "compare exchanges and queues of the broker with the expected ones", doctorUsage, 0, prepareDoctor},
}

// Run executes the arguments after "events". On a UsageError nothing was done.
func (c *CLI) Run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		c.help(c.Err)
		return usageErrorf("a command is missing")
	}
	if slices.Contains([]string{"help", "-h", "--help"}, args[0]) {
		c.help(c.Out)
		return nil
	}
	i := slices.IndexFunc(commands, func(cmd command) bool { return cmd.name == args[0] })
	if i < 0 {
		return usageErrorf("%s events has no command %q; %s events help lists them", c.Program, args[0], c.Program)
	}
	cmd := commands[i]
	f := newFlags(cmd.name)
	run := cmd.prepare(c, f)
	rest, err := f.parse(args[1:], cmd.maxArgs)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(c.Out, "%s events %s %s\n", c.Program, cmd.name, cmd.usage)
		f.SetOutput(c.Out)
		f.PrintDefaults()
		return nil
	}
	if err != nil {
		return usageErrorf("events %s: %v", cmd.name, err)
	}
	return run(ctx, rest)
}

func (c *CLI) help(w io.Writer) {
	fmt.Fprintf(w, "%s events <command> [--json]\n\n", c.Program)
	for _, cmd := range commands {
		fmt.Fprintf(w, "  %-11s %s\n", cmd.name, cmd.help)
	}
	fmt.Fprintf(w, "\nThe environment is the same as for %s. %s events <command> --help lists flags.\n", c.Program, c.Program)
	fmt.Fprintln(w, "Exit code: 0 success; 1 failure or problem found; 2 wrong usage.")
}

// broker returns the configuration of the broker, without logs.
func (c *CLI) broker() rabbit.Config {
	cfg := c.Broker
	cfg.Log = slog.New(slog.DiscardHandler)
	return cfg
}

var errNoBroker = errors.New("no broker is configured (RABBITMQ_URL)")

// inspect compares the broker's topology with the services' subscriptions.
func (c *CLI) inspect(ctx context.Context) ([]rabbit.Part, error) {
	var expected []event.Subscription
	for _, s := range c.Services {
		if s.Consumer != "" {
			expected = append(expected, event.Subscription{Name: s.Consumer, Types: s.Types})
		}
	}
	parts, err := rabbit.Inspect(ctx, c.broker(), expected...)
	if errors.Is(err, rabbit.ErrNoBroker) {
		err = errNoBroker
	}
	return parts, err
}

// ExitCode returns the exit code of a program for its final error: the error's
// own code, or 1.
func ExitCode(err error) int {
	if coded, ok := errors.AsType[interface {
		error
		ExitCode() int
	}](err); ok {
		return coded.ExitCode()
	}
	return 1
}
