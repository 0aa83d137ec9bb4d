package eventctl

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"time"

	"parley.internal/pkg/event/archive"
)

// flags are the flags of a command. Every command has --json.
type flags struct {
	*flag.FlagSet

	json   bool
	filter archive.Filter // of addFilter and addLimit
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
// arguments, and returns the latter. An empty time range is an error.
func (f *flags) parse(args []string, maxArgs int) (rest []string, err error) {
	for {
		if err := f.Parse(args); err != nil {
			return nil, err
		}
		if f.NArg() == 0 {
			break
		}
		if rest = append(rest, f.Arg(0)); len(rest) > maxArgs {
			return nil, fmt.Errorf("unexpected argument %q", f.Arg(0))
		}
		args = f.Args()[1:]
	}
	if since, until := f.filter.Since, f.filter.Until; !since.IsZero() && !until.IsZero() && !since.Before(until) {
		return nil, fmt.Errorf("--since %s is not before --until %s", since.Format(time.RFC3339Nano), until.Format(time.RFC3339Nano))
	}
	return rest, nil
}

// addFilter registers the flags for selecting events. Durations in --since and
// --until count back from now.
func (f *flags) addFilter() {
	now := time.Now()
	f.addList(&f.filter.IDs, "id", "only this `id`; may be repeated")
	f.StringVar(&f.filter.Type, "type", "", "only this event `type`")
	f.StringVar(&f.filter.PartitionKey, "partition", "", "only this partition `key`")
	f.addTime(&f.filter.Since, now, "since", "recorded (or received, without a record time) at or after this `time`: RFC 3339, or an age: 90m, 24h")
	f.addTime(&f.filter.Until, now, "until", "recorded before this `time`, later than --since")
}

// isSelective reports whether a flag of addFilter excludes any event.
func (f *flags) isSelective() bool {
	s := f.filter
	return len(s.IDs) > 0 || s.Type != "" || s.PartitionKey != "" || !s.Since.IsZero() || !s.Until.IsZero()
}

// addLimit registers --limit: the length of a list.
func (f *flags) addLimit() {
	f.Func("limit", "only the newest `N`, at least 1 (default 100)", func(s string) (err error) {
		if f.filter.Limit, err = strconv.Atoi(s); err != nil || f.filter.Limit < 1 {
			return errors.New("not a number of at least 1")
		}
		return nil
	})
}

func (f *flags) addList(to *[]string, name, usage string) {
	f.Func(name, usage, func(s string) error {
		if s == "" {
			return errors.New("empty value")
		}
		*to = append(*to, s)
		return nil
	})
}

// addTime registers a point in time, given as RFC 3339 or as an age before now.
func (f *flags) addTime(to *time.Time, now time.Time, name, usage string) {
	f.Func(name, usage, func(s string) (err error) {
		if age, err := time.ParseDuration(s); err == nil && age >= 0 {
			*to = now.Add(-age)
			return nil
		}
		if *to, err = time.Parse(time.RFC3339, s); err != nil {
			return errors.New("neither a time such as 2026-11-21T10:00:00Z nor an age such as 90m")
		}
		return nil
	})
}
