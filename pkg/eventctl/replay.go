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
	First   time.Time        `json:"first,omitzero"` // record time of the oldest
	Last    time.Time        `json:"last,omitzero"`

	ids []string // the ids of the filter that exist
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
		case !f.isSelective() && !*all:
			return usageErrorf("events replay: select events by --id, --type, --partition, --since and --until, or --all")
		case f.isSelective() && *all:
			return usageErrorf("events replay: --all cannot be combined with a selection")
		}
		if err := checkIDs(ctx, c, *from, f.filter); err != nil {
			return err
		}
		results, err := replayEvents(ctx, c, *from, f.filter, *dryRun)
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
	found, err := replayEvents(ctx, c, from, f, true)
	if err != nil {
		return err
	}
	missing := slices.DeleteFunc(slices.Clone(f.IDs), func(id string) bool {
		return slices.ContainsFunc(found, func(r replayed) bool { return slices.Contains(r.ids, id) })
	})
	if len(missing) > 0 {
		return fmt.Errorf("%w: nothing was replayed, because --from %s has no events with the ids %s",
			ErrProblem, from, strings.Join(missing, ", "))
	}
	return nil
}

// replayEvents replays the selected events of each service.
func replayEvents(ctx context.Context, c *CLI, from string, f archive.Filter, dryRun bool) ([]replayed, error) {
	results, err := collect(ctx, c, func(s *store) ([]replayed, error) {
		replay := s.replayer(from)
		if replay == nil {
			return nil, nil
		}
		r, err := replay(ctx, f, dryRun)
		return []replayed{{
			Service: s.Name, From: from, DryRun: dryRun, Events: r.Events, Types: r.Types,
			First: r.First, Last: r.Last, ids: r.IDs,
		}}, err
	})
	if err == nil && len(results) == 0 {
		err = fmt.Errorf("no service of this program can replay from %s", from)
	}
	return results, err
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
		if !r.First.IsZero() {
			t.row("", "recorded "+r.First.Format(time.RFC3339)+" to "+r.Last.Format(time.RFC3339))
		}
	}
}
