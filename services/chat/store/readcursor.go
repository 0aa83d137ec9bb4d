package store

import (
	"context"
	"fmt"

	"parley.internal/chat"
	"parley.internal/pkg/database"
)

// MarkRead moves an agent's read cursor of a stream to a sequence, and reports whether the
// cursor moved: a read cursor never moves back.
func (s *Store) MarkRead(ctx context.Context, login, stream string, sequence int64) (moved bool, err error) {
	if err := chat.CheckReadable(login, stream); err != nil {
		return false, err
	}
	err = s.db.InTx(ctx, func(tx *database.Tx) error {
		var head, ordinal int64
		_, err := database.One(ctx, tx, `
			SELECT s.head, COALESCE(e.ordinal, 0) FROM stream s LEFT JOIN entry e ON e.stream = s.id AND e.sequence = $2
			WHERE s.id = $1`, []any{stream, sequence}, &head, &ordinal)
		switch {
		case err != nil:
			return err
		case sequence < 0 || sequence > head:
			return chat.ErrBadSequence.With(stream, sequence)
		case sequence == 0:
			return nil
		}
		moved, err = advanceReadCursor(ctx, tx, login, stream, sequence, ordinal)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("mark %s as read by %s: %w", stream, login, err)
	}
	return moved, nil
}

// advanceReadCursor moves an agent's read cursor forward.
func advanceReadCursor(ctx context.Context, tx *database.Tx, login, stream string, sequence, ordinal int64) (moved bool, err error) {
	n, err := database.Affected(tx.ExecContext(ctx, `
		INSERT INTO read_cursor (login, stream, sequence, ordinal) VALUES ($1, $2, $3, $4)
		ON CONFLICT (login, stream) DO UPDATE SET sequence = excluded.sequence, ordinal = excluded.ordinal
		WHERE read_cursor.sequence < excluded.sequence`, login, stream, sequence, ordinal))
	if err != nil {
		return false, fmt.Errorf("advance the read cursor of %s: %w", login, err)
	}
	return n > 0, nil
}
