// Package eventctl is what an operator has of the event layer: figures to watch,
// and commands to look at events, to replay them, and to compare the broker with
// what is wanted of it.
//
// Its promise: a command changes nothing but what it says it changes, and
// nothing of an event's body is shown but to who asked for that event.
package eventctl

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"parley.internal/pkg/event"
	"parley.internal/pkg/rabbit"
)

// Service is a service by its events.
type Service struct {
	Name        string   // "policy"
	DatabaseURL string   // its own
	Source      string   // what its events name as their source; "" if it tells none
	Consumer    string   // its name on the broker and in its inbox; "" if it is told nothing
	Types       []string // that it is told
}

// CLI is where an operator types.
type CLI struct {
	Program  string    // "policyd", for its help
	Services []Service // those of the program
	Broker   rabbit.Settings
	In       io.Reader
	Out, Err io.Writer
}

// UsageError says that a command was not understood.
type UsageError struct{ text string }

func (e UsageError) Error() string { return e.text }

// ExitCode is the one for a wrong use, so that scripts tell it from a failure.
func (UsageError) ExitCode() int { return 2 }

func misused(format string, args ...any) error { return UsageError{fmt.Sprintf(format, args...)} }

// ErrFound says that a command did its work, and that what it found is not well.
var ErrFound = errors.New("not all is well")

// command is one thing to do.
type command struct {
	name, help string
	run        func(ctx context.Context, c *CLI, args []string) error
}

func commands() []command {
	return []command{
		{"lag", "how far behind each service is: outbox, inbox, queues", runLag},
		{"pending", "events that are not published yet", listing("pending")},
		{"unroutable", "events that nobody has a queue for", listing("unroutable")},
		{"refused", "events that the broker does not take, and why", listing("refused")},
		{"dead", "dead letters, by type and error; --list: one by one", runDead},
		{"show", "one event with its body: show <id>", runShow},
		{"replay", "dead letters again, or published (--from outbox) or refused (--from refused) events", runReplay},
		{"publish", "events from standard input, a line of JSON each", runPublish},
		{"tail", "events while they are published", runTail},
		{"doctor", "what is wanted of the broker against what is there", runDoctor},
	}
}

// Run does what the arguments behind "events" say. UsageError: they say nothing
// that it understands.
func (c *CLI) Run(ctx context.Context, args []string) error {
	if len(args) == 0 || slices.Contains([]string{"help", "-h", "--help"}, args[0]) {
		return c.help(len(args) > 0)
	}
	for _, one := range commands() {
		if one.name == args[0] {
			return one.run(ctx, c, args[1:])
		}
	}
	return misused("%s events has no command %q; %s events help lists them", c.Program, args[0], c.Program)
}

func (c *CLI) help(asked bool) error {
	w := c.Out
	if !asked {
		w = c.Err
	}
	fmt.Fprintf(w, "%s events <command> [--json]\n\n", c.Program)
	for _, one := range commands() {
		fmt.Fprintf(w, "  %-11s %s\n", one.name, one.help)
	}
	fmt.Fprintf(w, "\nIt reads the environment that %s reads. %s events <command> --help tells its flags.\n", c.Program, c.Program)
	fmt.Fprintln(w, "Exit code: 0 done; 1 failed, or found that not all is well; 2 not understood.")
	if !asked {
		return misused("which command?")
	}
	return nil
}

// broker is the transport, connected by what uses it.
func (c *CLI) broker() (*rabbit.Transport, error) {
	t, err := rabbit.Open(c.Broker, slog.New(slog.DiscardHandler))
	if err == nil && t == nil {
		err = errNoBroker
	}
	return t, err
}

var errNoBroker = errors.New("there is no broker (RABBITMQ_URL)")

func (c *CLI) hasBroker() bool { return strings.Trim(c.Broker.URLs, ", \t") != "" }

// subscriptions are what the services want of the broker.
func (c *CLI) subscriptions() (all []event.Subscription) {
	for _, s := range c.Services {
		if s.Consumer != "" {
			all = append(all, event.Subscription{Name: s.Consumer, Types: s.Types})
		}
	}
	return all
}

// ExitCode is what a program ends with after an error: the error's own code, or 1.
func ExitCode(err error) int {
	if coded, ok := errors.AsType[interface {
		error
		ExitCode() int
	}](err); ok {
		return coded.ExitCode()
	}
	return 1
}
