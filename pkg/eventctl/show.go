package eventctl

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"parley.internal/pkg/outbox"
)

// shown is an event with its body, as JSON if it is that.
type shown struct {
	row

	TraceParent string          `json:"traceparent,omitempty"`
	Data        json.RawMessage `json:"data,omitempty"`
	Raw         []byte          `json:"raw,omitempty"` // base64, of what is no JSON
}

func runShow(ctx context.Context, c *CLI, args []string) error {
	o := newOptions(c, "show", "<id> [--json]")
	ids, help, err := o.parse(args, 1)
	if help || err != nil {
		return err
	}
	if len(ids) != 1 || ids[0] == "" {
		return misused("events show: which id?")
	}
	all := []shown{}
	err = c.each(ctx, func(ctx context.Context, s *opened) error {
		found, err := s.find(ctx, outbox.Filter{IDs: ids, Bodies: true})
		all = append(all, found...)
		return err
	})
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return errors.New("no event with this id is kept: it was handled, or its time is over, or it never was")
	}
	return c.print(o, all, func(t *table) {
		for _, e := range all {
			e.write(t)
			t.gap()
		}
	})
}

func (s *opened) find(ctx context.Context, f outbox.Filter) (all []shown, err error) {
	var stored, parked []outbox.Stored
	if s.outbox != nil {
		stored, err = s.outbox.List(ctx, f)
	}
	if s.inbox != nil && err == nil {
		parked, err = s.inbox.List(ctx, f)
	}
	for _, e := range append(stored, parked...) {
		one := shown{row: rowOf(s.Name, e), TraceParent: e.TraceParent}
		if json.Valid(e.Data) {
			one.Data = e.Data
		} else {
			one.Raw = e.Data
		}
		all = append(all, one)
	}
	return all, err //nolint:wrapcheck // each says for whom.
}

func (e shown) write(t *table) {
	t.row("service", e.Service)
	t.row("id", e.ID)
	t.row("type", e.Type)
	t.row("source", e.Source)
	t.row("state", e.State)
	if e.Recorded != nil {
		t.row("recorded", e.Recorded.Format(time.RFC3339Nano))
	}
	if e.At != nil {
		t.row("published or came", e.At.Format(time.RFC3339Nano))
	}
	if e.Due != nil {
		t.row("tried again", e.Due.Format(time.RFC3339Nano))
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
