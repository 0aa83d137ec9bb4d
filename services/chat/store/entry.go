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

// After lists the entries of a stream after a sequence, oldest first.
func (s *Store) After(ctx context.Context, stream string, sequence int64, limit int) ([]chat.Entry, error) {
	return entriesAfter(ctx, s.db.Reader(), stream, sequence, limit)
}

// Before lists the newest entries of a stream before a sequence, oldest first. Sequence 0
// stands for the end of the stream.
func (s *Store) Before(ctx context.Context, stream string, sequence int64, limit int) ([]chat.Entry, error) {
	return entriesBefore(ctx, s.db.Reader(), stream, sequence, limit)
}

func entriesAfter(ctx context.Context, q database.Querier, stream string, sequence int64, limit int) ([]chat.Entry, error) {
	entries, err := database.All(ctx, q, scanEntry, `
		SELECT `+entryColumns+` FROM entry WHERE stream = $1 AND sequence > $2 ORDER BY sequence LIMIT $3`,
		stream, sequence, limit)
	if err != nil {
		return nil, fmt.Errorf("read %s after %d: %w", stream, sequence, err)
	}
	return entries, nil
}

func entriesBefore(ctx context.Context, q database.Querier, stream string, sequence int64, limit int) ([]chat.Entry, error) {
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

// insertEntries inserts all entries in a single statement.
func insertEntries(ctx context.Context, tx *database.Tx, entries []chat.Entry) error {
	err := tx.ExecTable(ctx, "INSERT INTO entry ("+entryColumns+") SELECT "+entryColumns+" FROM %s", []database.Column{
		database.NewColumn("stream", entries, func(e chat.Entry) string { return e.Stream }),
		database.NewColumn("sequence", entries, func(e chat.Entry) int64 { return e.Sequence }),
		database.NewColumn("tag", entries, func(e chat.Entry) string { return e.Tag }),
		database.NewColumn("ordinal", entries, func(e chat.Entry) int64 { return e.Ordinal }),
		database.NewColumn("id", entries, func(e chat.Entry) string { return e.ID }),
		database.NewColumn("kind", entries, func(e chat.Entry) string { return string(e.Kind) }),
		database.NewColumn("source", entries, func(e chat.Entry) string { return e.Source }),
		database.NewColumn("author", entries, func(e chat.Entry) string { return e.Author }),
		database.NewColumn("avatar", entries, func(e chat.Entry) string { return e.Avatar }),
		database.NewColumn("body", entries, func(e chat.Entry) string { return e.Body }),
		database.NewColumn("reply_to", entries, func(e chat.Entry) int64 { return e.ReplyTo }),
		database.NewColumn("at", entries, func(e chat.Entry) int64 { return database.Instant(e.At) }),
	})
	if err != nil {
		return fmt.Errorf("insert entries: %w", err)
	}
	return nil
}
