package eventctl

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"parley.internal/pkg/event/archive"
)

// row is an event of a service. A list leaves out the fields from TraceParent on.
type row struct {
	Service      string          `json:"service"`
	ID           string          `json:"id"`
	Type         string          `json:"type"`
	Source       string          `json:"source"`
	State        string          `json:"state"`
	Recorded     time.Time       `json:"recordedAt,omitzero"` // zero if a foreign publisher sent no time
	At           time.Time       `json:"at,omitzero"`         // published or received
	Due          time.Time       `json:"dueAt,omitzero"`      // next attempt
	PartitionKey string          `json:"partitionKey,omitempty"`
	Sequence     int64           `json:"sequence,omitempty"`
	Attempts     int64           `json:"attempts,omitempty"`
	Error        string          `json:"error,omitempty"`
	TraceParent  string          `json:"traceparent,omitempty"`
	Data         json.RawMessage `json:"data,omitempty"`
	Raw          []byte          `json:"raw,omitempty"` // base64 of a body other than JSON
}

// rows returns the selected events of the outbox and the inbox, which have no state
// in common.
func (s *store) rows(ctx context.Context, filter archive.Filter) (rows []row, err error) {
	var published, received []archive.Event
	if s.outbox != nil {
		published, err = s.outbox.List(ctx, filter)
	}
	if s.inbox != nil && err == nil {
		received, err = s.inbox.List(ctx, filter)
	}
	for _, e := range append(published, received...) {
		r := row{
			Service: s.Name, ID: e.ID, Type: e.Type, Source: e.Source, State: e.State, Recorded: e.Time,
			At: e.At, Due: e.Due, PartitionKey: e.PartitionKey, Sequence: e.Sequence,
			Attempts: e.Attempts, Error: e.Error,
		}
		if filter.Bodies {
			r.TraceParent = e.TraceParent
			if json.Valid(e.Data) {
				r.Data = e.Data
			} else {
				r.Raw = e.Data
			}
		}
		rows = append(rows, r)
	}
	return rows, err
}

const listUsage = "[--type T] [--limit N] [--json]"

// prepareList returns a command for listing the events of a state.
func prepareList(state string) func(*CLI, *flags) func(context.Context, []string) error {
	return func(c *CLI, f *flags) func(context.Context, []string) error {
		f.addFilter()
		f.addLimit()
		return func(ctx context.Context, _ []string) error { return c.printList(ctx, f, state) }
	}
}

func (c *CLI) printList(ctx context.Context, f *flags, state string) error {
	f.filter.States = []string{state}
	rows, err := collect(ctx, c, func(s *store) ([]row, error) { return s.rows(ctx, f.filter) })
	if err != nil {
		return err
	}
	return c.print(f, rows, func(t *table) {
		t.row("SERVICE", "ID", "TYPE", "RECORDED", "PARTITION", "SEQUENCE", "STATE", "ERROR")
		for _, r := range rows {
			recorded := r.Recorded.Format(time.RFC3339)
			if r.Recorded.IsZero() {
				recorded = "received " + r.At.Format(time.RFC3339)
			}
			t.row(r.Service, r.ID, r.Type, recorded, r.PartitionKey, r.Sequence, r.State, firstLine(r.Error))
		}
	})
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

func prepareShow(c *CLI, f *flags) func(context.Context, []string) error {
	return func(ctx context.Context, args []string) error {
		if len(args) != 1 || args[0] == "" {
			return usageErrorf("events show: an event id is missing")
		}
		filter := archive.Filter{IDs: args, Bodies: true}
		rows, err := collect(ctx, c, func(s *store) ([]row, error) { return s.rows(ctx, filter) })
		if err != nil {
			return err
		}
		if len(rows) == 0 {
			return errors.New("no stored event has this id: it was handled, is past its retention, or never existed")
		}
		return c.print(f, rows, func(t *table) {
			for _, r := range rows {
				r.write(t)
				t.gap()
			}
		})
	}
}

// write prints a field per line.
func (r row) write(t *table) {
	t.row("service", r.Service)
	t.row("id", r.ID)
	t.row("type", r.Type)
	t.row("source", r.Source)
	t.row("state", r.State)
	for _, at := range []struct {
		name string
		time time.Time
	}{{"recorded", r.Recorded}, {"published or received", r.At}, {"next attempt", r.Due}} {
		if !at.time.IsZero() {
			t.row(at.name, at.time.Format(time.RFC3339Nano))
		}
	}
	if r.PartitionKey != "" {
		t.row("partition", r.PartitionKey)
		t.row("sequence", r.Sequence)
	}
	if r.Attempts > 0 {
		t.row("attempts", r.Attempts)
	}
	if r.Error != "" {
		t.row("error", r.Error)
	}
	if r.Data != nil {
		t.row("data", string(r.Data))
	} else {
		t.row("raw", string(r.Raw))
	}
}
