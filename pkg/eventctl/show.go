package eventctl

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"parley.internal/pkg/event/archive"
)

// shown is an event with the body.
type shown struct {
	row

	TraceParent string          `json:"traceparent,omitempty"`
	Data        json.RawMessage `json:"data,omitempty"`
	Raw         []byte          `json:"raw,omitempty"` // base64 of a body other than JSON
}

func prepareShow(c *CLI, f *flags) func(context.Context, []string) error {
	return func(ctx context.Context, args []string) error {
		if len(args) != 1 || args[0] == "" {
			return usageErrorf("events show: an event id is missing")
		}
		all := []shown{}
		err := c.each(ctx, func(s *store) error {
			found, err := s.find(ctx, args[0])
			all = append(all, found...)
			return err
		})
		if err != nil {
			return err
		}
		if len(all) == 0 {
			return errors.New("no stored event has this id: it was handled, is past its retention, or never existed")
		}
		return c.print(f, all, func(t *table) {
			for _, e := range all {
				e.write(t)
				t.gap()
			}
		})
	}
}

func (s *store) find(ctx context.Context, id string) (all []shown, err error) {
	filter := archive.Filter{IDs: []string{id}, Bodies: true}
	var published, parked []archive.Event
	if s.outbox != nil {
		published, err = s.outbox.List(ctx, filter)
	}
	if s.inbox != nil && err == nil {
		parked, err = s.inbox.List(ctx, filter)
	}
	for _, e := range append(published, parked...) {
		event := shown{row: newRow(s.Name, e), TraceParent: e.TraceParent}
		if json.Valid(e.Data) {
			event.Data = e.Data
		} else {
			event.Raw = e.Data
		}
		all = append(all, event)
	}
	return all, err
}

func (e shown) write(t *table) {
	t.row("service", e.Service)
	t.row("id", e.ID)
	t.row("type", e.Type)
	t.row("source", e.Source)
	t.row("state", e.State)
	for _, at := range []struct {
		name string
		time *time.Time
	}{{"recorded", e.Recorded}, {"published or received", e.At}, {"next attempt", e.Due}} {
		if at.time != nil {
			t.row(at.name, at.time.Format(time.RFC3339Nano))
		}
	}
	if e.PartitionKey != "" {
		t.row("partition", e.PartitionKey)
		t.row("sequence", e.Sequence)
	}
	if e.Attempts > 0 {
		t.row("attempts", e.Attempts)
	}
	if e.Error != "" {
		t.row("error", e.Error)
	}
	if e.Data != nil {
		t.row("data", string(e.Data))
	} else {
		t.row("raw", string(e.Raw))
	}
}
