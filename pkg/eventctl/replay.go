package eventctl

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"parley.internal/pkg/outbox"
)

type replayed struct {
	Service string           `json:"service"`
	From    string           `json:"from"` // dead, outbox, refused
	DryRun  bool             `json:"dryRun"`
	Events  int64            `json:"events"`
	Types   map[string]int64 `json:"types"`
	First   *time.Time       `json:"first,omitempty"` // when the oldest was recorded
	Last    *time.Time       `json:"last,omitempty"`
}

func runReplay(ctx context.Context, c *CLI, args []string) error {
	o := newOptions(c, "replay", "[--from dead|outbox|refused] (--id … --type … --partition … --since … --until … | --all) [--dry-run]\nIf one of several ids is not there to replay, nothing is replayed.")
	var f choice
	f.register(o)
	from := o.String("from", "dead", "dead: dead letters are handled again by their consumer; outbox: published events, as far as they are kept, are published again with the ids they had: who has handled them ignores them; refused: events that the broker did not take are published at once")
	dry := o.Bool("dry-run", false, "only tell what it would do")
	everything := o.Bool("all", false, "all of them")
	if _, help, err := o.parse(args, 0); help || err != nil {
		return err
	}
	switch {
	case !slices.Contains([]string{"dead", "outbox", "refused"}, *from):
		return misused("events replay: --from is dead, outbox or refused, not %q", *from)
	case !f.chooses() && !*everything:
		return misused("events replay: which events? --id, --type, --partition, --since and --until choose; --all takes all")
	case f.chooses() && *everything:
		return misused("events replay: --all leaves nothing to choose")
	}
	if err := f.check(o); err != nil {
		return err
	}
	if err := c.areThere(ctx, *from, f.filter()); err != nil {
		return err
	}
	all, _, err := c.replay(ctx, *from, f.filter(), *dry)
	if err != nil {
		return err
	}
	return c.print(o, all, func(t *table) { writeReplayed(t, all) })
}

// areThere refuses ids that cannot be replayed, before one of the others is.
func (c *CLI) areThere(ctx context.Context, from string, f outbox.Filter) error {
	if len(f.IDs) == 0 {
		return nil
	}
	_, found, err := c.replay(ctx, from, f, true)
	if err != nil {
		return err
	}
	missing := slices.DeleteFunc(slices.Clone(f.IDs), func(id string) bool { return slices.Contains(found, id) })
	if len(missing) > 0 {
		return fmt.Errorf("%w: nothing is replayed, for these ids are not there to replay from %s: %s",
			ErrFound, from, strings.Join(missing, ", "))
	}
	return nil
}

// replay replays what is chosen in each service that has what to replay from,
// and tells which of the filter's ids were there.
func (c *CLI) replay(ctx context.Context, from string, f outbox.Filter, dry bool) (all []replayed, found []string, err error) {
	err = c.each(ctx, func(ctx context.Context, s *opened) error {
		r, ok, err := s.replay(ctx, from, f, dry)
		if ok {
			found = append(found, r.IDs...)
			all = append(all, replayed{
				Service: s.Name, From: from, DryRun: dry, Events: r.Events, Types: r.Types,
				First: unlessZero(r.First), Last: unlessZero(r.Last),
			})
		}
		return err
	})
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("no service here has what to replay from %s", from)
	}
	return all, found, err
}

// replay reports whether the service has what to replay from.
func (s *opened) replay(ctx context.Context, from string, f outbox.Filter, dry bool) (r outbox.Replayed, ok bool, err error) {
	switch {
	case from == "dead" && s.inbox != nil:
		r, err = s.inbox.Replay(ctx, f, dry)
	case from == "outbox" && s.outbox != nil:
		r, err = s.outbox.Replay(ctx, f, dry)
	case from == "refused" && s.outbox != nil:
		r, err = s.outbox.ReplayRefused(ctx, f, dry)
	default:
		return r, false, nil
	}
	return r, err == nil, err //nolint:wrapcheck // each says for whom.
}

func writeReplayed(t *table, all []replayed) {
	for _, r := range all {
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
