package eventctl

import (
	"context"
	"time"

	"parley.internal/pkg/event/archive"
)

// row is an event in a list, without the body.
type row struct {
	Service      string     `json:"service"`
	ID           string     `json:"id"`
	Type         string     `json:"type"`
	Source       string     `json:"source"`
	State        string     `json:"state"`
	Recorded     *time.Time `json:"recordedAt,omitempty"` // absent if a foreign publisher sent no time
	At           *time.Time `json:"at,omitempty"`         // published or received
	Due          *time.Time `json:"dueAt,omitempty"`      // next attempt
	PartitionKey string     `json:"partitionKey,omitempty"`
	Sequence     int64      `json:"sequence,omitempty"`
	Attempts     int64      `json:"attempts,omitempty"`
	Error        string     `json:"error,omitempty"`
}

func newRow(service string, e archive.Event) row {
	return row{
		Service: service, ID: e.ID, Type: e.Type, Source: e.Source, State: e.State, Recorded: timeOrNil(e.Time),
		At: timeOrNil(e.At), Due: timeOrNil(e.Due), PartitionKey: e.PartitionKey, Sequence: e.Sequence,
		Attempts: e.Attempts, Error: e.Error,
	}
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

const listUsage = "[--type T] [--limit N] [--json]"

// prepareList returns a command for listing the outbox events of a state.
func prepareList(state string) func(*CLI, *flags) func(context.Context, []string) error {
	return func(c *CLI, f *flags) func(context.Context, []string) error {
		f.addFilter()
		limit := f.addLimit()
		return func(ctx context.Context, _ []string) error {
			return c.printList(ctx, f, func(s *store) ([]archive.Event, error) {
				if s.outbox == nil {
					return nil, nil
				}
				return s.outbox.List(ctx, f.filter.query(*limit, state))
			})
		}
	}
}

// printList runs query on each service and prints the events.
func (c *CLI) printList(ctx context.Context, f *flags, query func(*store) ([]archive.Event, error)) error {
	rows := []row{}
	err := c.each(ctx, func(s *store) error {
		events, err := query(s)
		for _, e := range events {
			rows = append(rows, newRow(s.Name, e))
		}
		return err
	})
	if err != nil {
		return err
	}
	return c.print(f, rows, func(t *table) {
		t.row("SERVICE", "ID", "TYPE", "RECORDED", "PARTITION", "SEQUENCE", "STATE", "ERROR")
		for _, r := range rows {
			t.row(r.Service, r.ID, r.Type, r.recorded(), r.PartitionKey, r.Sequence, r.State, firstLine(r.Error))
		}
	})
}

// recorded falls back to the time of arrival.
func (r row) recorded() string {
	switch {
	case r.Recorded != nil:
		return r.Recorded.Format(time.RFC3339)
	case r.At != nil:
		return "received " + r.At.Format(time.RFC3339)
	default:
		return ""
	}
}

// firstLine shortens an error to the first line, at most 120 bytes; show prints
// the whole error.
func firstLine(text string) string {
	for i, r := range text {
		if r == '\n' || i >= 120 {
			return text[:i] + " …"
		}
	}
	return text
}
