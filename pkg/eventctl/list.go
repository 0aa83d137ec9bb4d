package eventctl

import (
	"context"
	"time"

	"parley.internal/pkg/outbox"
)

// row is an event in a list: everything but its body.
type row struct {
	Service      string     `json:"service"`
	ID           string     `json:"id"`
	Type         string     `json:"type"`
	Source       string     `json:"source"`
	State        string     `json:"state"`
	Recorded     *time.Time `json:"recordedAt,omitempty"` // unless its publisher has not said when
	At           *time.Time `json:"at,omitempty"`         // when it was published, or came
	Due          *time.Time `json:"dueAt,omitempty"`      // when it is tried again
	PartitionKey string     `json:"partitionKey,omitempty"`
	Sequence     int64      `json:"sequence,omitempty"`
	Attempts     int64      `json:"attempts,omitempty"`
	Error        string     `json:"error,omitempty"`
}

func rowOf(service string, e outbox.Stored) row {
	return row{
		Service: service, ID: e.ID, Type: e.Type, Source: e.Source, State: e.State, Recorded: unlessZero(e.Time),
		At: unlessZero(e.At), Due: unlessZero(e.Due), PartitionKey: e.PartitionKey, Sequence: e.Sequence,
		Attempts: e.Attempts, Error: e.Error,
	}
}

func unlessZero(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// listing is the command that lists events of a state in the outboxes.
func listing(state string) func(context.Context, *CLI, []string) error {
	return func(ctx context.Context, c *CLI, args []string) error {
		o := newOptions(c, state, "[--type T] [--limit N] [--json]")
		var f choice
		f.register(o)
		var most limit
		most.register(o, "the newest `N`, from 1 on")
		if _, help, err := o.parse(args, 0); help || err != nil {
			return err
		}
		if err := f.check(o); err != nil {
			return err
		}
		filter := f.filter()
		filter.States, filter.Limit = []string{state}, int(most)
		rows := []row{}
		err := c.each(ctx, func(ctx context.Context, s *opened) error {
			if s.outbox == nil {
				return nil
			}
			all, err := s.outbox.List(ctx, filter)
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
}

func writeRows(t *table, rows []row) {
	t.row("SERVICE", "ID", "TYPE", "RECORDED", "PARTITION", "SEQUENCE", "STATE", "ERROR")
	for _, r := range rows {
		t.row(r.Service, r.ID, r.Type, r.when(), r.PartitionKey, r.Sequence, r.State, short(r.Error))
	}
}

// when it was recorded, or came if nobody has said when.
func (r row) when() string {
	switch {
	case r.Recorded != nil:
		return r.Recorded.Format(time.RFC3339)
	case r.At != nil:
		return "came " + r.At.Format(time.RFC3339)
	default:
		return ""
	}
}

// short is the first line of an error; show prints all of it.
func short(text string) string {
	const most = 120
	for i, r := range text {
		if r == '\n' || i >= most {
			return text[:i] + " …"
		}
	}
	return text
}
