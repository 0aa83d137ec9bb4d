package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"parley.internal/chat"
	"parley.internal/pkg/database"
)

// Since lists the entries of an agent's streams after cursors, from a single snapshot. The
// result is chat.ErrResync if a stream was rolled back to before the cursor.
func (s *Store) Since(ctx context.Context, login string, cursors chat.Cursors, limit int) (chat.Page, error) {
	return s.page(ctx, login, limit, func(tx *database.Tx, stream string) (chat.Cursor, error) {
		at := cursors[stream]
		found, err := checkCursor(ctx, tx, stream, at)
		if err == nil && !found {
			err = chat.ErrResync
		}
		return at, err
	})
}

// SinceTime lists the entries of an agent's streams after a time.
func (s *Store) SinceTime(ctx context.Context, login string, after time.Time, limit int) (chat.Page, error) {
	return s.page(ctx, login, limit, func(tx *database.Tx, stream string) (chat.Cursor, error) {
		return cursorAt(ctx, tx, "at <= $2", stream, database.Instant(after))
	})
}

// page lists the entries of an agent's streams after the cursors returned by start.
func (s *Store) page(
	ctx context.Context, login string, limit int, start func(tx *database.Tx, stream string) (chat.Cursor, error),
) (chat.Page, error) {
	page := chat.Page{Entries: []chat.Entry{}, Cursors: chat.Cursors{}}
	err := s.db.InSnapshot(ctx, func(tx *database.Tx) error {
		for _, stream := range chat.Readable(login) {
			at, err := start(tx, stream)
			if err != nil {
				return fmt.Errorf("find the cursor in %s: %w", stream, err)
			}
			page.Cursors[stream] = at
			entries, err := entriesAfter(ctx, tx, stream, at.Sequence, limit+1) // The extra entry shows whether there are more.
			if err != nil {
				return err
			}
			page.Entries = append(page.Entries, entries...)
		}
		return nil
	})
	if err != nil {
		return chat.Page{}, fmt.Errorf("read the streams of %s: %w", login, err)
	}
	// Entries of a stream stay in sequence, also at the same instant.
	slices.SortStableFunc(page.Entries, func(a, b chat.Entry) int { return a.At.Compare(b.At) })
	if page.More = len(page.Entries) > limit; page.More {
		page.Entries = page.Entries[:limit]
	}
	for _, e := range page.Entries {
		page.Cursors[e.Stream] = e.Cursor()
	}
	return page, nil
}
