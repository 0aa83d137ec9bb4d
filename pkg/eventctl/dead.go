package eventctl

import "context"

type deadLetters struct {
	Service string `json:"service"`
	Type    string `json:"type"`
	Reason  string `json:"reason"`
	Events  int64  `json:"events"`
}

func runDead(ctx context.Context, c *CLI, args []string) error {
	o := newOptions(c, "dead", "[--list [--type T] [--limit N]] [--json]")
	var f choice
	f.register(o)
	list := o.Bool("list", false, "one by one, the newest first")
	var most limit
	most.register(o, "of a list, the newest `N`, from 1 on")
	if _, help, err := o.parse(args, 0); help || err != nil {
		return err
	}
	if err := f.check(o); err != nil {
		return err
	}
	if *list {
		return c.listDead(ctx, o, f, int(most))
	}
	if f.chooses() {
		return misused("events dead: choose events with --list only")
	}
	all := []deadLetters{}
	err := c.each(ctx, func(ctx context.Context, s *opened) error {
		if s.inbox == nil {
			return nil
		}
		figures, err := s.inbox.Figures(ctx)
		for _, d := range figures.Dead {
			all = append(all, deadLetters{Service: s.Name, Type: d.Type, Reason: d.Reason, Events: d.Events})
		}
		return err //nolint:wrapcheck // each says for whom.
	})
	if err != nil {
		return err
	}
	return c.print(o, all, func(t *table) {
		t.row("SERVICE", "EVENTS", "TYPE", "REASON")
		for _, d := range all {
			t.row(d.Service, d.Events, d.Type, d.Reason)
		}
	})
}

func (c *CLI) listDead(ctx context.Context, o *options, f choice, limit int) error {
	filter := f.filter()
	filter.States, filter.Limit = []string{"dead"}, limit
	rows := []row{}
	err := c.each(ctx, func(ctx context.Context, s *opened) error {
		if s.inbox == nil {
			return nil
		}
		all, err := s.inbox.List(ctx, filter)
		for _, e := range all {
			rows = append(rows, rowOf(s.Name, e))
		}
		return err //nolint:wrapcheck // each says for whom.
	})
	if err != nil {
		return err
	}
	return c.print(o, rows, func(t *table) { writeRows(t, rows) })
}
