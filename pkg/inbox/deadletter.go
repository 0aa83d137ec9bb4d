package inbox

import (
	"context"
	"fmt"
	"strings"
	"time"

	"parley.internal/pkg/database"
	"parley.internal/pkg/event/archive"
)

// List returns parked events and dead letters, the newest first.
func (i *Inbox) List(ctx context.Context, f archive.Filter) ([]archive.Event, error) {
	return i.table().List(ctx, f)
}

// Replay lets this consumer handle dead letters again. A dry run only describes the
// events.
func (i *Inbox) Replay(ctx context.Context, f archive.Filter, dry bool) (archive.Replayed, error) {
	if err := i.clock.syncOnce(ctx); err != nil {
		return archive.Replayed{}, err
	}
	return i.table().Replay(ctx, f, stateDead,
		fmt.Sprintf("state = '%s', attempts = 0, due_at = %d", stateRetry, database.Instant(i.clock.now())), dry)
}

func (i *Inbox) table() archive.Table {
	// A foreign publisher may give no time.
	at := fmt.Sprintf("CASE recorded_at WHEN %d THEN arrived_at ELSE recorded_at END", database.Instant(time.Time{}))
	return archive.Table{
		DB: i.db, Name: "inbox_parked", Where: "consumer = '" + strings.ReplaceAll(i.consumer, "'", "''") + "'",
		Columns: "source, arrived_at, due_at, attempts, error", At: at, Newest: at + " DESC, id DESC",
		Due: []string{stateRetry},
	}
}
