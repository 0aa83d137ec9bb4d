package inbox

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// trial is a transaction with savepoints whose handlers fail for some items.
type trial struct {
	fails     map[string]int  // the number of failed attempts by item
	permanent map[string]bool // items whose errors are final
	hides     map[string]bool // items whose handlers hide a database error
	aborts    map[string]bool // items whose failure ends the run
	time      int             // groups until the time is over; 0: no limit
	groups    []string        // the attempted groups
	handled   []string
	failed    []string
}

var errHidden = errors.New("current transaction is aborted")

func (tr *trial) try(items []string) (done int, itemErr, err error) {
	tr.groups = append(tr.groups, strings.Join(items, ""))
	hidden := false
	for ; done < len(items); done++ {
		it := items[done]
		if tr.fails[it] > 0 {
			tr.fails[it]--
			return done, fmt.Errorf("%s failed", it), nil
		}
		hidden = hidden || tr.hides[it]
	}
	if hidden {
		return done, nil, errHidden
	}
	return done, nil, nil
}

func (tr *trial) bisection(group int) bisection[string] {
	return bisection[string]{
		group: group, try: tr.try,
		hasTime: func() bool { return tr.time == 0 || len(tr.groups) < tr.time },
		final:   func(it string, _ error) bool { return tr.permanent[it] },
		abort: func(it string, err error) error {
			if tr.aborts[it] {
				return err
			}
			return nil
		},
		handled: func(items []string) { tr.handled = append(tr.handled, items...) },
		failed:  func(it string, _ error) { tr.failed = append(tr.failed, it) },
	}
}

func TestBisection(t *testing.T) {
	tests := map[string]struct {
		trial   trial
		items   string
		groups  string // separated by bars
		handled string
		failed  string
		rest    string
		err     bool
	}{
		"nothing to do":                     {},
		"groups without failures":           {items: "abcdefghij", groups: "abcd|efgh|ij", handled: "abcdefghij"},
		"first item fails once":             {trial: trial{fails: map[string]int{"a": 1}}, items: "abc", groups: "abc|abc", handled: "abc"},
		"first item fails twice":            {trial: trial{fails: map[string]int{"a": 2}}, items: "abc", groups: "abc|abc|bc", handled: "bc", failed: "a"},
		"later item fails once":             {trial: trial{fails: map[string]int{"c": 1}}, items: "abcd", groups: "abcd|ab|cd", handled: "abcd"},
		"later item fails twice":            {trial: trial{fails: map[string]int{"c": 2}}, items: "abcd", groups: "abcd|ab|cd|d", handled: "abd", failed: "c"},
		"first item is final":               {trial: trial{fails: map[string]int{"a": 1}, permanent: map[string]bool{"a": true}}, items: "ab", groups: "ab|b", handled: "b", failed: "a"},
		"two items of a group fail":         {trial: trial{fails: map[string]int{"b": 2, "d": 2}}, items: "abcd", groups: "abcd|a|bcd|cd|c|d", handled: "ac", failed: "bd"},
		"hidden error is halved":            {trial: trial{hides: map[string]bool{"c": true}}, items: "abcd", groups: "abcd|ab|cd|c|d", handled: "abd", failed: "c"},
		"hidden error of a single item":     {trial: trial{hides: map[string]bool{"a": true}}, items: "a", groups: "a", failed: "a"},
		"all items hide errors":             {trial: trial{hides: map[string]bool{"a": true, "b": true}}, items: "ab", groups: "ab|a|b", failed: "ab"},
		"abort keeps the rest":              {trial: trial{fails: map[string]int{"e": 9}, aborts: map[string]bool{"e": true}}, items: "abcdef", groups: "abcd|ef", handled: "abcd", rest: "ef", err: true},
		"time is over":                      {trial: trial{time: 1}, items: "abcdef", groups: "abcd", handled: "abcd", rest: "ef"},
		"first failure is isolated in time": {trial: trial{fails: map[string]int{"a": 2}, time: 1}, items: "ab", groups: "ab|ab", failed: "a", rest: "b"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			b := tt.trial.bisection(4)
			rest, err := b.run(slices.DeleteFunc(strings.Split(tt.items, ""), func(s string) bool { return s == "" }))
			got := map[string]string{
				"groups": strings.Join(tt.trial.groups, "|"), "handled": strings.Join(tt.trial.handled, ""),
				"failed": strings.Join(tt.trial.failed, ""), "rest": strings.Join(rest, ""), "error": fmt.Sprint(err != nil),
			}
			want := map[string]string{"groups": tt.groups, "handled": tt.handled, "failed": tt.failed, "rest": tt.rest, "error": fmt.Sprint(tt.err)}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// Without a savepoint there is nothing to isolate: the database is unavailable.
func TestBisectionEndsWithoutSavepoint(t *testing.T) {
	unavailable := errors.New("unavailable")
	b := (&trial{}).bisection(4)
	b.try = func([]string) (int, error, error) { return 0, nil, unavailable }
	if rest, err := b.run([]string{"a", "b"}); !errors.Is(err, unavailable) || len(rest) != 2 {
		t.Errorf("got rest %v and error %v, want both items and %v", rest, err, unavailable)
	}
}
