package store

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"time"

	"parley.internal/chat"
	"parley.internal/pkg/database"
)

// Append stores a draft as the next entry of the stream, and moves the author's read
// cursor there. An own feed is created with the first entry. A duplicate, with a known
// stream, author, source and id, is not stored again: Append returns the stored entry,
// or chat.ErrIDReused if the author's text differs.
//
// Appending locks the stream until the transaction ends: entries commit in sequence.
func (s *Store) Append(ctx context.Context, d chat.Draft) (chat.Entry, error) {
	var entries []chat.Entry
	err := s.db.InTx(ctx, func(tx *database.Tx) (err error) {
		entries, err = s.appendAll(ctx, tx, []chat.Draft{d})
		return err
	})
	if err != nil {
		return chat.Entry{}, fmt.Errorf("append to %s: %w", d.Stream, err)
	}
	return entries[0], nil
}

// appendAll returns an entry for each draft, new or stored before.
func (s *Store) appendAll(ctx context.Context, tx *database.Tx, drafts []chat.Draft) ([]chat.Entry, error) {
	heads, err := s.lockHeads(ctx, tx, drafts)
	if err != nil {
		return nil, err
	}
	stored, err := findStored(ctx, tx, drafts)
	if err != nil {
		return nil, err
	}
	var all, added []chat.Entry
	for _, d := range drafts {
		key := draftKey{d.Stream, d.Author, d.Source, d.ID}
		e, duplicate := stored[key]
		// A duplicate of an event may have another text: the wording has changed since.
		if duplicate && d.Author != "" && (e.Body != d.Body || e.ReplyTo != d.ReplyTo) {
			return nil, chat.ErrIDReused
		}
		if !duplicate {
			if e, err = heads.next(d); err != nil {
				return nil, err
			}
			stored[key], added = e, append(added, e)
		}
		all = append(all, e)
	}
	if len(added) == 0 {
		return all, nil
	}
	if err := insertEntries(ctx, tx, added); err != nil {
		return nil, err
	}
	if err := updateHeads(ctx, tx, heads); err != nil {
		return nil, err
	}
	for _, e := range added {
		if e.Kind != chat.Message {
			continue
		}
		if _, err := advanceReadCursor(ctx, tx, e.Author, e.Stream, e.Sequence, e.Ordinal); err != nil {
			return nil, err
		}
	}
	tx.AfterCommit(func() {
		for _, e := range added {
			slog.InfoContext(ctx, "entry stored", "stream", e.Stream, "sequence", e.Sequence, "id", e.ID)
			s.committed(e)
		}
	})
	return all, nil
}

// draftKey identifies an entry among those of the same author or source.
type draftKey struct{ stream, author, source, id string }

// findStored returns the stored entries of drafts.
func findStored(ctx context.Context, tx *database.Tx, drafts []chat.Draft) (map[draftKey]chat.Entry, error) {
	// CROSS JOIN fixes SQLite's order of tables.
	entries, err := database.AllTable(ctx, tx, scanEntry, "SELECT "+entryColumns+` FROM %s CROSS JOIN entry
		WHERE stream = of_stream AND author = of_author AND source = of_source AND id = of_id`, []database.Column{
		database.NewColumn("of_stream", drafts, func(d chat.Draft) string { return d.Stream }),
		database.NewColumn("of_author", drafts, func(d chat.Draft) string { return d.Author }),
		database.NewColumn("of_source", drafts, func(d chat.Draft) string { return d.Source }),
		database.NewColumn("of_id", drafts, func(d chat.Draft) string { return d.ID }),
	})
	if err != nil {
		return nil, fmt.Errorf("find stored entries: %w", err)
	}
	stored := make(map[draftKey]chat.Entry, len(entries))
	for _, e := range entries {
		stored[draftKey{e.Stream, e.Author, e.Source, e.ID}] = e
	}
	return stored, nil
}

// heads are the locked heads of streams. next advances them.
type heads map[string]head

type head struct{ sequence, ordinal, at int64 }

const tagLength = 12 // of 26 characters of base 32: 60 bits

// next makes a draft the next entry of the stream.
func (h heads) next(d chat.Draft) (chat.Entry, error) {
	last, found := h[d.Stream]
	switch {
	case !found:
		return chat.Entry{}, chat.ErrNoStream.With(d.Stream)
	case d.ReplyTo < 0 || d.ReplyTo > last.sequence:
		return chat.Entry{}, chat.ErrNoReply.With(d.Stream, d.ReplyTo)
	}
	// The clock may have been turned back.
	next := head{last.sequence + 1, last.ordinal + 1, max(database.Instant(time.Now()), last.at)}
	h[d.Stream] = next
	return chat.Entry{
		Stream: d.Stream, Sequence: next.sequence, Tag: rand.Text()[:tagLength], Ordinal: next.ordinal, ID: d.ID, Kind: d.Kind,
		Source: d.Source, Author: d.Author, Avatar: d.Avatar, Body: d.Body, ReplyTo: d.ReplyTo, At: database.Time(next.at),
	}, nil
}
