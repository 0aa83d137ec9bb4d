package eventctl

import (
	"context"

	"parley.internal/pkg/event/archive"
)

// deadLetters counts the dead letters of a type and an error.
type deadLetters struct {
	Service string `json:"service"`
	Type    string `json:"type"`
	Reason  string `json:"reason"`
	Events  int64  `json:"events"`
}

const deadUsage = "[--list [--type T] [--limit N]] [--json]"

func prepareDead(c *CLI, f *flags) func(context.Context, []string) error {
	f.addFilter()
	list := f.Bool("list", false, "each dead letter, the newest first")
	limit := f.addLimit()
	return func(ctx context.Context, _ []string) error {
		switch {
		case *list:
			return c.printList(ctx, f, func(s *store) ([]archive.Event, error) {
				if s.inbox == nil {
					return nil, nil
				}
				return s.inbox.List(ctx, f.filter.query(*limit, "dead"))
			})
		case f.filter.isSet():
			return usageErrorf("events dead: events can be selected with --list only")
		default:
			return countDead(ctx, c, f)
		}
	}
}

func countDead(ctx context.Context, c *CLI, f *flags) error {
	all := []deadLetters{}
	err := c.each(ctx, func(s *store) error {
		if s.inbox == nil {
			return nil
		}
		stats, err := s.inbox.Stats(ctx)
		for _, d := range stats.Dead {
			all = append(all, deadLetters{Service: s.Name, Type: d.Type, Reason: d.Reason, Events: d.Events})
		}
		return err
	})
	if err != nil {
		return err
	}
	return c.print(f, all, func(t *table) {
		t.row("SERVICE", "EVENTS", "TYPE", "REASON")
		for _, d := range all {
			t.row(d.Service, d.Events, d.Type, d.Reason)
		}
	})
}
