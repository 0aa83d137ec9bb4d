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

// Append stores a draft as the next entry of its stream; an own feed is made
// at its first one. A draft whose stream, author, source and id are known is not
// stored again: the answer is the entry that was stored then, or
// chat.ErrIDReused if its author said something else with it. Who says
// something has read the stream up to there. The stream's row stays locked
// until the transaction ends, so entries commit in sequence.
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

// appendAll answers an entry for each draft, new or known. It takes all streams
// before it writes to one, in one order for all.
func (s *Store) appendAll(ctx context.Context, tx *database.Tx, drafts []chat.Draft) ([]chat.Entry, error) {
	ends, err := s.lockAll(ctx, tx, drafts)
	if err != nil {
		return nil, err
	}
	known, err := s.known(ctx, tx, drafts)
	if err != nil {
		return nil, err
	}
	var all, fresh []chat.Entry
	for _, d := range drafts {
		e, isFresh, err := next(d, known, ends)
		if err != nil {
			return nil, err
		}
		all = append(all, e)
		if isFresh {
			fresh = append(fresh, e)
		}
	}
	if len(fresh) == 0 {
		return all, nil
	}
	if err := s.insertAll(ctx, tx, fresh); err != nil {
		return nil, err
	}
	if err := s.moveAll(ctx, tx, ends); err != nil {
		return nil, err
	}
	for _, e := range fresh {
		if e.Kind != chat.Message {
			continue
		}
		if _, err := advance(ctx, tx, e.Author, e.Stream, e.Sequence, e.Ordinal); err != nil {
			return nil, err
		}
	}
	tx.AfterCommit(func() {
		for _, e := range fresh {
			slog.InfoContext(ctx, "entry stored", "stream", e.Stream, "sequence", e.Sequence, "id", e.ID)
			s.stored(e)
		}
	})
	return all, nil
}

// named is what tells an entry from others of its author, or a notice from
// others of its source.
type named struct{ stream, author, source, id string }

const tagLength = 12 // of 26 characters of base 32: 60 bits

// next is the entry that a draft makes, or has made, and notes it.
func next(d chat.Draft, known map[named]chat.Entry, ends map[string]end) (e chat.Entry, isFresh bool, err error) {
	if e, again := known[named{d.Stream, d.Author, d.Source, d.ID}]; again {
		// The same event is told once, in whatever words.
		if d.Author != "" && (e.Body != d.Body || e.ReplyTo != d.ReplyTo) {
			return e, false, chat.ErrIDReused
		}
		return e, false, nil
	}
	last, there := ends[d.Stream]
	switch {
	case !there:
		return e, false, chat.ErrNoStream.With(d.Stream)
	case d.ReplyTo < 0 || d.ReplyTo > last.head:
		return e, false, chat.ErrNoReply.With(d.Stream, d.ReplyTo)
	}
	last = end{last.head + 1, last.ordinal + 1, max(database.Instant(time.Now()), last.at)} // A clock may be set back.
	e = chat.Entry{
		Stream: d.Stream, Sequence: last.head, Tag: rand.Text()[:tagLength], Ordinal: last.ordinal, ID: d.ID, Kind: d.Kind,
		Source: d.Source, Author: d.Author, Avatar: d.Avatar, Body: d.Body, ReplyTo: d.ReplyTo, At: database.Time(last.at),
	}
	ends[d.Stream], known[named{d.Stream, d.Author, d.Source, d.ID}] = last, e
	return e, true, nil
}

// known are the entries that drafts have made before.
func (s *Store) known(ctx context.Context, tx *database.Tx, drafts []chat.Draft) (map[named]chat.Entry, error) {
	var streams, authors, sources, ids []string
	for _, d := range drafts {
		streams, authors = append(streams, d.Stream), append(authors, d.Author)
		sources, ids = append(sources, d.Source), append(ids, d.ID)
	}
	table, args, err := s.db.Dialect.Table("draft", 1, database.Column{Name: "of_stream", Values: streams},
		database.Column{Name: "of_author", Values: authors},
		database.Column{Name: "of_source", Values: sources}, database.Column{Name: "of_id", Values: ids})
	if err != nil {
		return nil, err
	}
	entries, err := database.All(ctx, tx, scanEntry, "SELECT "+entryColumns+" FROM "+table+` CROSS JOIN entry
		WHERE stream = of_stream AND author = of_author AND source = of_source AND id = of_id`, args...) // SQLite keeps to this order.
	if err != nil {
		return nil, fmt.Errorf("look for known entries: %w", err)
	}
	known := make(map[named]chat.Entry, len(entries))
	for _, e := range entries {
		known[named{e.Stream, e.Author, e.Source, e.ID}] = e
	}
	return known, nil
}

func (s *Store) insertAll(ctx context.Context, tx *database.Tx, entries []chat.Entry) error {
	var streams, tags, ids, kinds, sources, authors, avatars, bodies []string
	var sequences, ordinals, replies, ats []int64
	for _, e := range entries {
		streams, tags, ids = append(streams, e.Stream), append(tags, e.Tag), append(ids, e.ID)
		kinds, bodies = append(kinds, string(e.Kind)), append(bodies, e.Body)
		sources = append(sources, e.Source)
		authors, avatars = append(authors, e.Author), append(avatars, e.Avatar)
		sequences, ordinals = append(sequences, e.Sequence), append(ordinals, e.Ordinal)
		replies, ats = append(replies, e.ReplyTo), append(ats, database.Instant(e.At))
	}
	table, args, err := s.db.Dialect.Table("fresh", 1,
		database.Column{Name: "stream", Values: streams}, database.Column{Name: "sequence", Values: sequences},
		database.Column{Name: "tag", Values: tags}, database.Column{Name: "ordinal", Values: ordinals},
		database.Column{Name: "id", Values: ids}, database.Column{Name: "kind", Values: kinds},
		database.Column{Name: "source", Values: sources},
		database.Column{Name: "author", Values: authors}, database.Column{Name: "avatar", Values: avatars},
		database.Column{Name: "body", Values: bodies}, database.Column{Name: "reply_to", Values: replies},
		database.Column{Name: "at", Values: ats})
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "INSERT INTO entry ("+entryColumns+") SELECT "+entryColumns+" FROM "+table, args...)
	if err != nil {
		return fmt.Errorf("insert: %w", err)
	}
	return nil
}
