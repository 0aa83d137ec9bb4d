package eventctl

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"parley.internal/pkg/event/archive"
)

// flags are the flags of a command. Every command has --json.
type flags struct {
	*flag.FlagSet

	json   bool
	filter filterFlags
}

// newFlags makes a silent set: Run reports errors, once.
func newFlags(name string) *flags {
	f := &flags{FlagSet: flag.NewFlagSet(name, flag.ContinueOnError)}
	f.BoolVar(&f.json, "json", false, "print JSON")
	f.SetOutput(io.Discard)
	f.Usage = func() {}
	return f
}

// parse accepts flags before, between and after at most maxArgs positional
// arguments, and returns the latter.
func (f *flags) parse(args []string, maxArgs int) (rest []string, err error) {
	for {
		if err := f.Parse(args); err != nil {
			return nil, err
		}
		if f.NArg() == 0 {
			return rest, f.filter.check()
		}
		if rest = append(rest, f.Arg(0)); len(rest) > maxArgs {
			return nil, fmt.Errorf("unexpected argument %q", f.Arg(0))
		}
		args = f.Args()[1:]
	}
}

// filterFlags select events.
type filterFlags struct {
	ids                  stringList
	eventType, partition string
	since, until         instant
}

// addFilter registers the flags for selecting events. Durations in --since and
// --until count back from now.
func (f *flags) addFilter() {
	f.filter.since.now = time.Now()
	f.filter.until.now = f.filter.since.now
	f.Var(&f.filter.ids, "id", "only this `id`; may be repeated")
	f.StringVar(&f.filter.eventType, "type", "", "only this event `type`")
	f.StringVar(&f.filter.partition, "partition", "", "only this partition `key`")
	f.Var(&f.filter.since, "since", "recorded (or received, without a record time) at or after this `time`: RFC 3339, or an age: 90m, 24h")
	f.Var(&f.filter.until, "until", "recorded before this `time`, later than --since")
}

// check rejects an empty time range.
func (f *filterFlags) check() error {
	if !f.since.IsZero() && !f.until.IsZero() && !f.since.Before(f.until.Time) {
		return fmt.Errorf("--since %s is not before --until %s", &f.since, &f.until)
	}
	return nil
}

func (f *filterFlags) query(limit int, states ...string) archive.Filter {
	return archive.Filter{
		IDs: f.ids, Type: f.eventType, PartitionKey: f.partition, Since: f.since.Time, Until: f.until.Time,
		States: states, Limit: limit,
	}
}

// isSet reports whether the filter excludes any event.
func (f *filterFlags) isSet() bool {
	return len(f.ids) > 0 || f.eventType != "" || f.partition != "" || !f.since.IsZero() || !f.until.IsZero()
}

// addLimit registers --limit: the length of a list, 100 by default.
func (f *flags) addLimit() *int {
	n := limit(100)
	f.Var(&n, "limit", "only the newest `N`, at least 1")
	return (*int)(&n)
}

type stringList []string

func (l *stringList) String() string { return strings.Join(*l, ",") }

func (l *stringList) Set(s string) error {
	if s == "" {
		return errors.New("empty value")
	}
	*l = append(*l, s)
	return nil
}

type limit int

func (l *limit) String() string { return strconv.Itoa(int(*l)) }

func (l *limit) Set(s string) error {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		return errors.New("not a number of at least 1")
	}
	*l = limit(n)
	return nil
}

// instant is a point in time, given as RFC 3339 or as an age before now.
type instant struct {
	time.Time

	now time.Time
}

func (i *instant) Set(s string) error {
	if age, err := time.ParseDuration(s); err == nil && age >= 0 {
		i.Time = i.now.Add(-age)
		return nil
	}
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return errors.New("neither a time such as 2026-11-21T10:00:00Z nor an age such as 90m")
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
