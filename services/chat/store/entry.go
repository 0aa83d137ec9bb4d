package store

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"time"

	"parley.internal/chat"
	"parley.internal/pkg/database"
)

const (
	entryColumns = "stream, sequence, tag, ordinal, id, kind, author, avatar, body, reply_to, at"
	tagLength    = 12 // of 26 characters of base 32: 60 bits
)

func scanEntry(scan func(...any) error) (chat.Entry, error) {
	var e chat.Entry
	var at int64
	err := scan(&e.Stream, &e.Sequence, &e.Tag, &e.Ordinal, &e.ID, &e.Kind, &e.Author, &e.Avatar, &e.Body, &e.ReplyTo, &at)
	e.At = database.Time(at)
	return e, err
}

// Append stores a draft as the next entry of its stream; an own feed is made
// at its first one. A draft whose stream, author and id are known is not
// stored again: the answer is the entry that was stored then, or
// chat.ErrIDReused if its author said something else with it. Who says
// something has read the stream up to there. The stream's row stays locked
// until the transaction ends, so entries commit in sequence.
func (s *Store) Append(ctx context.Context, d chat.Draft) (chat.Entry, error) {
	var e chat.Entry
	err := s.db.InTx(ctx, func(ctx context.Context, tx *database.Tx) error {
		last, err := s.lock(ctx, tx, d.Stream)
		if err != nil {
			return err
		}
		known, err := database.All(ctx, tx, scanEntry,
			"SELECT "+entryColumns+" FROM entry WHERE stream = $1 AND author = $2 AND id = $3", d.Stream, d.Author, d.ID)
		if err != nil {
			return err
		}
		if len(known) > 0 {
			if e = known[0]; e.Author != "" && (e.Body != d.Body || e.ReplyTo != d.ReplyTo) {
				return chat.ErrIDReused
			}
			return nil
		}
		if d.ReplyTo < 0 || d.ReplyTo > last.head {
			return chat.ErrNoReply.With(d.Stream, d.ReplyTo)
		}
		at := max(database.Instant(time.Now()), last.at) // A clock may be set back.
		e = chat.Entry{
			Stream: d.Stream, Sequence: last.head + 1, Tag: rand.Text()[:tagLength], Ordinal: last.ordinal + 1,
			ID: d.ID, Kind: d.Kind, Author: d.Author, Avatar: d.Avatar, Body: d.Body, ReplyTo: d.ReplyTo, At: database.Time(at),
		}
		if err := insert(ctx, tx, e); err != nil {
			return err
		}
		if e.Kind == chat.Message {
			if _, err := advance(ctx, tx, e.Author, e.Stream, e.Sequence, e.Ordinal); err != nil {
				return err
			}
		}
		tx.AfterCommit(func() {
			slog.InfoContext(ctx, "entry stored", "stream", e.Stream, "sequence", e.Sequence, "id", e.ID)
			s.stored(e)
		})
		return nil
	})
	if err != nil {
		return chat.Entry{}, fmt.Errorf("append to %s: %w", d.Stream, err)
	}
	return e, nil
}

type end struct{ head, ordinal, at int64 }

// lock takes the stream's row and tells where it ends.
func (s *Store) lock(ctx context.Context, tx *database.Tx, stream string) (end, error) {
	if _, own := chat.Owner(stream); own {
		_, err := tx.ExecContext(ctx, `
			INSERT INTO stream (id, kind, head, ordinal, last_at) VALUES ($1, $2, 0, 0, 0)
			ON CONFLICT (id) DO NOTHING`, stream, chat.KindOf(stream))
		if err != nil {
			return end{}, fmt.Errorf("make it: %w", err)
		}
	}
	var last end
	found, err := database.One(ctx, tx,
		"SELECT head, ordinal, last_at FROM stream WHERE id = $1"+s.db.Dialect.ForUpdate(), []any{stream},
		&last.head, &last.ordinal, &last.at)
	if err == nil && !found {
		err = chat.ErrNoStream.With(stream)
	}
	return last, err
}

func insert(ctx context.Context, tx *database.Tx, e chat.Entry) error {
	at := database.Instant(e.At)
	_, err := tx.ExecContext(ctx, `
		INSERT INTO entry (`+entryColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		e.Stream, e.Sequence, e.Tag, e.Ordinal, e.ID, e.Kind, e.Author, e.Avatar, e.Body, e.ReplyTo, at)
	if err != nil {
		return fmt.Errorf("insert: %w", err)
	}
	_, err = tx.ExecContext(ctx, "UPDATE stream SET head = $1, ordinal = $2, last_at = $3 WHERE id = $4",
		e.Sequence, e.Ordinal, at, e.Stream)
	if err != nil {
		return fmt.Errorf("advance: %w", err)
	}
	return nil
}

// After is what a stream holds after a sequence, oldest first, at most limit.
func (s *Store) After(ctx context.Context, stream string, sequence int64, limit int) ([]chat.Entry, error) {
	entries, err := database.All(ctx, s.db.Query(ctx), scanEntry, `
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
	if sequence == 0 {
		sequence = math.MaxInt64
	}
	entries, err := database.All(ctx, s.db.Query(ctx), scanEntry, `
		SELECT `+entryColumns+` FROM entry WHERE stream = $1 AND sequence < $2 ORDER BY sequence DESC LIMIT $3`,
		stream, sequence, limit)
	if err != nil {
		return nil, fmt.Errorf("read %s before %d: %w", stream, sequence, err)
	}
	slices.Reverse(entries)
	return entries, nil
}
