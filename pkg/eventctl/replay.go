package eventctl

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"parley.internal/pkg/event/archive"
)

// The sources of a replay.
const (
	fromDead     = "dead"
	fromOutbox   = "outbox"
	fromRejected = "rejected"
)

type replayed struct {
	Service string           `json:"service"`
	From    string           `json:"from"`
	DryRun  bool             `json:"dryRun"`
	Events  int64            `json:"events"`
	Types   map[string]int64 `json:"types"`
	First   *time.Time       `json:"first,omitempty"` // record time of the oldest
	Last    *time.Time       `json:"last,omitempty"`
}

const replayUsage = `[--from dead|outbox|rejected] (--id … --type … --partition … --since … --until … | --all) [--dry-run]
If one of several ids cannot be replayed, nothing is replayed.`

func prepareReplay(c *CLI, f *flags) func(context.Context, []string) error {
	f.addFilter()
	from := f.String("from", fromDead, "dead: their consumer handles dead letters again; "+
		"outbox: published events, as far back as they are kept, are published again with the same ids, and consumers ignore duplicates; "+
		"rejected: events that the broker rejected are published at once")
	dryRun := f.Bool("dry-run", false, "only report which events would be replayed")
	all := f.Bool("all", false, "all events")
	return func(ctx context.Context, _ []string) error {
		switch {
		case !slices.Contains([]string{fromDead, fromOutbox, fromRejected}, *from):
			return usageErrorf("events replay: --from must be dead, outbox or rejected, not %q", *from)
		case !f.filter.isSet() && !*all:
			return usageErrorf("events replay: select events by --id, --type, --partition, --since and --until, or --all")
		case f.filter.isSet() && *all:
			return usageErrorf("events replay: --all cannot be combined with a selection")
		}
		if err := checkIDs(ctx, c, *from, f.filter.query(0)); err != nil {
			return err
		}
		results, _, err := replayEvents(ctx, c, *from, f.filter.query(0), *dryRun)
		if err != nil {
			return err
		}
		return c.print(f, results, func(t *table) { writeReplayed(t, results) })
	}
}

// checkIDs returns an error if an id of the filter cannot be replayed.
func checkIDs(ctx context.Context, c *CLI, from string, f archive.Filter) error {
	if len(f.IDs) == 0 {
		return nil
	}
	_, found, err := replayEvents(ctx, c, from, f, true)
	if err != nil {
		return err
	}
	missing := slices.DeleteFunc(slices.Clone(f.IDs), func(id string) bool { return slices.Contains(found, id) })
	if len(missing) > 0 {
		return fmt.Errorf("%w: nothing was replayed, because --from %s has no events with the ids %s",
			ErrProblem, from, strings.Join(missing, ", "))
	}
	return nil
}

// replayEvents replays the selected events of each service, and returns the found ids
// among the filter's.
func replayEvents(ctx context.Context, c *CLI, from string, f archive.Filter, dryRun bool) (results []replayed, found []string, err error) {
	err = c.each(ctx, func(s *store) error {
		replay := s.replayer(from)
		if replay == nil {
			return nil
		}
		r, err := replay(ctx, f, dryRun)
		if err != nil {
			return err
		}
		found = append(found, r.IDs...)
		results = append(results, replayed{
			Service: s.Name, From: from, DryRun: dryRun, Events: r.Events, Types: r.Types,
			First: timeOrNil(r.First), Last: timeOrNil(r.Last),
		})
		return nil
	})
	if err == nil && len(results) == 0 {
		err = fmt.Errorf("no service of this program can replay from %s", from)
	}
	return results, found, err
}

// replayer returns nil if the service has nothing to replay from.
func (s *store) replayer(from string) func(ctx context.Context, f archive.Filter, dryRun bool) (archive.Replayed, error) {
	switch {
	case from == fromDead && s.inbox != nil:
		return s.inbox.Replay
	case from == fromOutbox && s.outbox != nil:
		return s.outbox.Replay
	case from == fromRejected && s.outbox != nil:
		return s.outbox.ReplayRejected
	default:
		return nil
	}
}

func writeReplayed(t *table, results []replayed) {
	for _, r := range results {
		verb := "replayed"
		if r.DryRun {
			verb = "would replay"
		}
		t.row(r.Service, verb, r.Events, "from "+r.From)
		for _, eventType := range slices.Sorted(maps.Keys(r.Types)) {
			t.row("", eventType, r.Types[eventType])
		}
		if r.First != nil {
			t.row("", "recorded "+r.First.Format(time.RFC3339)+" to "+r.Last.Format(time.RFC3339))
		}
	}
}
