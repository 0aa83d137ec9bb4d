package eventctl

import (
	"errors"
	"flag"
	"fmt"
	"strconv"
	"strings"
	"time"

	"parley.internal/pkg/outbox"
)

// options are a command's flags.
type options struct {
	*flag.FlagSet

	json bool
}

// newOptions are the flags that all commands have. What is typed wrong is told
// once, as the error.
func newOptions(c *CLI, name, usage string) *options {
	o := &options{FlagSet: flag.NewFlagSet(name, flag.ContinueOnError)}
	o.BoolVar(&o.json, "json", false, "for programs")
	o.SetOutput(discard{})
	o.Usage = func() {
		fmt.Fprintf(c.Out, "%s events %s %s\n", c.Program, name, usage)
		o.SetOutput(c.Out)
		o.PrintDefaults()
	}
	return o
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

// parse takes flags before, between and behind up to most other arguments.
func (o *options) parse(args []string, most int) (rest []string, help bool, err error) {
	for {
		if err := o.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return nil, true, nil
			}
			return nil, false, misused("events %s: %v", o.Name(), err)
		}
		if o.NArg() == 0 {
			return rest, false, nil
		}
		if rest = append(rest, o.Arg(0)); len(rest) > most {
			return nil, false, misused("events %s: %q is one argument too many", o.Name(), o.Arg(0))
		}
		args = o.Args()[1:]
	}
}

// choice are the flags that choose events.
type choice struct {
	ids                  texts
	eventType, partition string
	since, until         instant
}

// register has durations count from one moment.
func (f *choice) register(o *options) {
	f.since.now = time.Now()
	f.until.now = f.since.now
	o.Var(&f.ids, "id", "only this `id`; may be given several times")
	o.StringVar(&f.eventType, "type", "", "only this `type` of event")
	o.StringVar(&f.partition, "partition", "", "only this partition `key`")
	o.Var(&f.since, "since", "recorded, or come if nobody has said when, from this `time` on: RFC 3339, or so long ago: 90m, 24h")
	o.Var(&f.until, "until", "recorded before this `time`, which is after the one of --since")
}

// check refuses what nothing can be chosen by.
func (f *choice) check(o *options) error {
	if !f.since.IsZero() && !f.until.IsZero() && !f.since.Before(f.until.Time) {
		return misused("events %s: --since %s is not before --until %s", o.Name(), &f.since, &f.until)
	}
	return nil
}

func (f *choice) filter() outbox.Filter {
	return outbox.Filter{
		IDs: f.ids, Type: f.eventType, PartitionKey: f.partition, Since: f.since.Time, Until: f.until.Time,
	}
}

// chooses reports whether it is anything less than everything.
func (f *choice) chooses() bool {
	return len(f.ids) > 0 || f.eventType != "" || f.partition != "" || !f.since.IsZero() || !f.until.IsZero()
}

type texts []string

func (t *texts) String() string { return strings.Join(*t, ",") }

func (t *texts) Set(s string) error {
	if s == "" {
		return errors.New("it is empty")
	}
	*t = append(*t, s)
	return nil
}

// limit is how many, one at least.
type limit int

func (l *limit) String() string { return strconv.Itoa(int(*l)) }

func (l *limit) Set(s string) error {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		return errors.New("no number from 1 on")
	}
	*l = limit(n)
	return nil
}

// register has a list no longer than usual by default.
func (l *limit) register(o *options, help string) {
	*l = 100
	o.Var(l, "limit", help)
}

type instant struct {
	time.Time

	now time.Time
}

func (i *instant) Set(s string) error {
	if ago, err := time.ParseDuration(s); err == nil && ago >= 0 {
		i.Time = i.now.Add(-ago)
		return nil
	}
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return errors.New("neither a time as 2026-11-21T10:00:00Z nor a duration as 90m")
	}
	i.Time = at
	return nil
}

func (i *instant) String() string {
	if i.IsZero() {
		return ""
	}
	return i.Format(time.RFC3339Nano)
}
