package inbox

import (
	"context"
	"fmt"
	"slices"
	"time"

	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
	"parley.internal/pkg/retry"
)

// eventKey identifies an event. Ids belong to their publisher: two services may use
// equal ids.
type eventKey struct{ source, id string }

func keyOf(m event.Message) eventKey { return eventKey{m.Source, m.ID} }

func scanKey(scan func(...any) error) (k eventKey, err error) { return k, scan(&k.source, &k.id) }

// deduplicate is the deduplication by ids: it records the ids of events, and returns the events with new ids and the
// events without any id.
func (b *batch) deduplicate(ctx context.Context, events []event.Message) (fresh []event.Message, err error) {
	identified := events
	if slices.ContainsFunc(events, hasNoID) {
		identified = slices.DeleteFunc(slices.Clone(events), hasNoID)
	}
	// Transactions insert equal ids in the same order: no deadlock.
	inserted, err := database.AllTable(ctx, b.tx, scanKey, `
		INSERT INTO inbox_event (consumer, source, id, arrived_at)
		SELECT CAST($1 AS text), t.source, t.id, CAST($2 AS bigint) FROM %s WHERE true
		ORDER BY t.source, t.id
		ON CONFLICT (consumer, source, id) DO NOTHING
		RETURNING source, id`,
		[]database.Column{
			database.NewColumn("source", identified, func(m event.Message) string { return m.Source }),
			database.NewColumn("id", identified, func(m event.Message) string { return m.ID }),
		}, b.consumer, database.Instant(time.Now()))
	if err != nil {
		return nil, fmt.Errorf("deduplicate %d events: %w", len(identified), err)
	}
	if len(inserted) == len(identified) {
		return events, nil
	}
	isNew := make(map[eventKey]bool, len(inserted))
	for _, k := range inserted {
		isNew[k] = true
	}
	for _, m := range events {
		if hasNoID(m) || isNew[keyOf(m)] {
			fresh = append(fresh, m)
		} else {
			b.countDuplicate(ctx, m)
		}
	}
	return fresh, nil
}

func hasNoID(m event.Message) bool { return m.ID == "" }

const deleteIDsStatement = "DELETE FROM inbox_event WHERE (consumer, source, id) IN (SELECT consumer, source, id FROM %s)"

// deleteIDs deletes the ids of events that the transport is to deliver again.
func (r rows) deleteIDs(ctx context.Context, items []*item) error {
	if err := r.tx.ExecTable(ctx, deleteIDsStatement, r.keys(items)); err != nil {
		return fmt.Errorf("delete the ids of %d events: %w", len(items), err)
	}
	return nil
}

// expiredIDs deletes ids of consumer $2 from before $1, at most $3. The primary key
// begins with the consumer; the concatenation keeps the databases from searching the
// whole consumer by it.
const expiredIDs = `DELETE FROM inbox_event WHERE (consumer, source, id) IN (
	SELECT consumer, source, id FROM inbox_event WHERE arrived_at < $1 AND consumer || '' = $2 ORDER BY arrived_at LIMIT $3%s)`

// deleteIDs deletes the ids of events that arrived before a time, in chunks with
// pauses: handlers get most of the database's time.
func deleteIDs(ctx context.Context, db *database.DB, consumer string, before time.Time) error {
	statement := fmt.Sprintf(expiredIDs, db.Dialect.SkipLocked())
	err := retry.Chunks(ctx, cleanupChunk, func() (int64, error) {
		return database.Affected(db.Exec(ctx, statement, database.Instant(before), consumer, cleanupChunk))
	})
	if err != nil {
		return fmt.Errorf("delete old ids: %w", err)
	}
	return nil
}
