package store

import (
	"context"
	"fmt"

	"parley.internal/chat"
	"parley.internal/pkg/database"
)

// RolledBack lists the streams without the entry at their cursor.
func (s *Store) RolledBack(ctx context.Context, cursors chat.Cursors) ([]string, error) {
	var streams []string
	for stream, at := range cursors {
		if at.Sequence > 0 { // Every log holds the start.
			streams = append(streams, stream)
		}
	}
	if len(streams) == 0 {
		return nil, nil
	}
	query, args, err := s.db.Dialect.WithTable(`
		SELECT of_stream FROM %s LEFT JOIN entry ON stream = of_stream AND sequence = of_sequence AND tag = of_tag
		WHERE stream IS NULL`, []database.Column{
		{Name: "of_stream", Values: streams},
		database.NewColumn("of_sequence", streams, func(id string) int64 { return cursors[id].Sequence }),
		database.NewColumn("of_tag", streams, func(id string) string { return cursors[id].Tag }),
	})
	if err != nil {
		return nil, err
	}
	rolledBack, err := database.All(ctx, s.db.Reader(), func(scan func(...any) error) (stream string, err error) {
		return stream, scan(&stream)
	}, query, args...)
	if err != nil {
		return nil, fmt.Errorf("compare cursors: %w", err)
	}
	return rolledBack, nil
}

// cursorAt returns the cursor of the newest entry of a stream with a condition on $2: the
// zero Cursor without an entry.
func cursorAt(ctx context.Context, tx *database.Tx, condition, stream string, arg int64) (c chat.Cursor, err error) {
	_, err = database.One(ctx, tx,
		"SELECT sequence, tag FROM entry WHERE stream = $1 AND "+condition+" ORDER BY sequence DESC LIMIT 1",
		[]any{stream, arg}, &c.Sequence, &c.Tag)
	return c, err
}

// checkCursor reports whether a stream holds the entry at a cursor.
func checkCursor(ctx context.Context, tx *database.Tx, stream string, at chat.Cursor) (found bool, err error) {
	if at.Sequence == 0 {
		return true, nil
	}
	now, err := cursorAt(ctx, tx, "sequence = $2", stream, at.Sequence)
	return now == at, err
}
