package eventctl

import "context"

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
	f.addLimit()
	list := f.Bool("list", false, "each dead letter, the newest first")
	return func(ctx context.Context, _ []string) error {
		switch {
		case *list:
			return c.printList(ctx, f, "dead")
		case f.isSelective():
			return usageErrorf("events dead: events can be selected with --list only")
		}
		all, err := collect(ctx, c, func(s *store) ([]deadLetters, error) { return s.deadLetters(ctx) })
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
}

func (s *store) deadLetters(ctx context.Context) (all []deadLetters, err error) {
	if s.inbox == nil {
		return nil, nil
	}
	stats, err := s.inbox.Stats(ctx)
	for _, d := range stats.Dead {
		all = append(all, deadLetters{Service: s.Name, Type: d.Type, Reason: d.Reason, Events: d.Events})
	}
	return all, err
}
