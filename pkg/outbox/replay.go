package outbox

import (
	"context"

	"parley.internal/pkg/event/archive"
)

// List returns events of the outbox, the newest first.
func (o *Outbox) List(ctx context.Context, f archive.Filter) ([]archive.Event, error) {
	return o.table().List(ctx, f)
}

// Replay publishes published events again, as far back as the relay keeps them, with
// the same ids: consumers that have handled them ignore them. A dry run only describes
// the events.
func (o *Outbox) Replay(ctx context.Context, f archive.Filter, dry bool) (archive.Replayed, error) {
	return o.replay(ctx, f, stateSent, dry)
}

// ReplayRejected publishes rejected events at once, after their cause was removed. A
// dry run only describes the events.
func (o *Outbox) ReplayRejected(ctx context.Context, f archive.Filter, dry bool) (archive.Replayed, error) {
	return o.replay(ctx, f, stateRejected, dry)
}

func (o *Outbox) replay(ctx context.Context, f archive.Filter, state string, dry bool) (archive.Replayed, error) {
	replayed, err := o.table().Replay(ctx, f, state, "state = '"+statePending+"', due_at = 0", dry)
	if err == nil && !dry {
		o.wakeRelay()
	}
	return replayed, err
}

func (o *Outbox) table() archive.Table {
	return archive.Table{
		DB: o.db, Name: "outbox_event", Where: "true", Source: o.source,
		Columns: "'', sent_at, due_at, 0, CASE state WHEN '" + stateRejected + "' THEN error ELSE '' END",
		At:      "recorded_at",
		Newest:  "id DESC", // A UUIDv7: the newest rows of a large table are found without a sort.
		Due:     []string{statePending, stateUnroutable, stateRejected},
	}
}
