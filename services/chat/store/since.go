package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"parley.internal/chat"
	"parley.internal/pkg/database"
)

// Since is what an agent's streams hold after a cursor, at most limit entries,
// all from one snapshot. It answers chat.ErrResync when a stream no longer
// holds what the cursor has read.
func (s *Store) Since(ctx context.Context, login string, cursor chat.Cursors, limit int) (chat.Page, error) {
	return s.page(ctx, login, limit, func(ctx context.Context, tx *database.Tx, stream string) (chat.Cursor, error) {
		read := cursor[stream]
		if read.Sequence == 0 {
			return chat.Cursor{}, nil
		}
		now, err := cursorAt(ctx, tx, "sequence = $2", stream, read.Sequence)
		if err == nil && now != read {
			err = chat.ErrResync
		}
		return now, err
	})
}

// SinceTime is what an agent's streams got after a time.
func (s *Store) SinceTime(ctx context.Context, login string, after time.Time, limit int) (chat.Page, error) {
	return s.page(ctx, login, limit, func(ctx context.Context, tx *database.Tx, stream string) (chat.Cursor, error) {
		return cursorAt(ctx, tx, "at <= $2", stream, database.Instant(after))
	})
}

// position is that of the newest entry of a stream for which a condition on $2
// holds: the zero Position if there is none.
func cursorAt(ctx context.Context, tx *database.Tx, condition, stream string, arg int64) (p chat.Cursor, err error) {
	_, err = database.One(ctx, tx,
		"SELECT sequence, tag FROM entry WHERE stream = $1 AND "+condition+" ORDER BY sequence DESC LIMIT 1",
		[]any{stream, arg}, &p.Sequence, &p.Tag)
	return p, err
}

func (s *Store) page(
	ctx context.Context, login string, limit int,
	begin func(ctx context.Context, tx *database.Tx, stream string) (chat.Cursor, error),
) (chat.Page, error) {
	page := chat.Page{Entries: []chat.Entry{}, Cursors: chat.Cursors{}}
	err := s.db.InSnapshot(ctx, func(tx *database.Tx) error {
		for _, stream := range chat.Readable(login) {
			p, err := begin(ctx, tx, stream)
			if err != nil {
				return fmt.Errorf("find a position in %s: %w", stream, err)
			}
			page.Cursors[stream] = p
			// One more than fits tells whether there is more.
			entries, err := after(ctx, tx, stream, p.Sequence, limit+1)
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
	// At the same instant a stream's own sequence decides.
	slices.SortStableFunc(page.Entries, func(a, b chat.Entry) int { return a.At.Compare(b.At) })
	if page.More = len(page.Entries) > limit; page.More {
		page.Entries = page.Entries[:limit]
	}
	for _, e := range page.Entries {
		page.Cursors[e.Stream] = e.Cursor()
	}
	return page, nil
}
