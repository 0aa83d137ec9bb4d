package store

import (
	"context"
	"fmt"
	"math"
	"slices"

	"parley.internal/chat"
	"parley.internal/pkg/database"
)

const entryColumns = "stream, sequence, tag, ordinal, id, kind, source, author, avatar, body, reply_to, at"

func scanEntry(scan func(...any) error) (chat.Entry, error) {
	var e chat.Entry
	var at int64
	err := scan(&e.Stream, &e.Sequence, &e.Tag, &e.Ordinal, &e.ID, &e.Kind, &e.Source, &e.Author, &e.Avatar, &e.Body, &e.ReplyTo, &at)
	e.At = database.Time(at)
	return e, err
}

// After is what a stream holds after a sequence, oldest first, at most limit.
func (s *Store) After(ctx context.Context, stream string, sequence int64, limit int) ([]chat.Entry, error) {
	return after(ctx, s.db.Reader(), stream, sequence, limit)
}

func after(ctx context.Context, q database.Querier, stream string, sequence int64, limit int) ([]chat.Entry, error) {
	entries, err := database.All(ctx, q, scanEntry, `
		SELECT `+entryColumns+` FROM entry WHERE stream = $1 AND sequence > $2 ORDER BY sequence LIMIT $3`,
		stream, sequence, limit)
	if err != nil {
		return nil, fmt.Errorf("read %s after %d: %w", stream, sequence, err)
	}
	return entries, nil
}

// Before is what a stream holds before a sequence, or up to its head if that is
// 0: the newest ones, at most limit, oldest first.
func (s *Store) Before(ctx context.Context, stream string, sequence int64, limit int) ([]chat.Entry, error) {
	return before(ctx, s.db.Reader(), stream, sequence, limit)
}

func before(ctx context.Context, q database.Querier, stream string, sequence int64, limit int) ([]chat.Entry, error) {
	if sequence == 0 {
		sequence = math.MaxInt64
	}
	entries, err := database.All(ctx, q, scanEntry, `
		SELECT `+entryColumns+` FROM entry WHERE stream = $1 AND sequence < $2 ORDER BY sequence DESC LIMIT $3`,
		stream, sequence, limit)
	if err != nil {
		return nil, fmt.Errorf("read %s before %d: %w", stream, sequence, err)
	}
	slices.Reverse(entries)
	return entries, nil
}
