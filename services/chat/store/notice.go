package store

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"parley.internal/chat"
	"parley.internal/pkg/database"
)

type noticesKey struct{}

// Note appends a notice. In a transaction it does so at the end, for all of the
// transaction's notices at once; an id that its stream has already, with the
// same text, is not stored again.
func (s *Store) Note(ctx context.Context, d chat.Draft) error {
	return s.db.InTx(ctx, func(ctx context.Context, tx *database.Tx) error {
		database.Gather(tx, noticesKey{}, d, func(all []chat.Draft) error {
			if err := s.appendNotices(ctx, tx, all); err != nil {
				return fmt.Errorf("append %d notices: %w", len(all), err)
			}
			return nil
		})
		return nil
	})
}

// Announce appends the drafts of one announcement, which have their author and
// their id in common, to a stream each. It stores none of them, and answers
// chat.ErrNoAgent, if the owner of an own feed is not known, and
// chat.ErrIDReused if the author announced something else under this id.
func (s *Store) Announce(ctx context.Context, drafts []chat.Draft) error {
	err := s.db.InTx(ctx, func(ctx context.Context, tx *database.Tx) error {
		var streams []string
		for _, d := range drafts {
			streams = append(streams, d.Stream)
			owner, own := chat.Owner(d.Stream)
			if !own {
				continue
			}
			known, err := isKnown(ctx, tx, owner)
			if err != nil {
				return err
			}
			if !known {
				return chat.ErrNoAgent.With(owner)
			}
		}
		slices.Sort(streams)
		if err := claim(ctx, tx, drafts[0].Author, drafts[0].ID, strings.Join(streams, "\n")); err != nil {
			return err
		}
		return s.appendNotices(ctx, tx, drafts)
	})
	if err != nil {
		return fmt.Errorf("announce: %w", err)
	}
	return nil
}

// claim notes that an id stands for an announcement to these streams.
func claim(ctx context.Context, tx *database.Tx, author, id, streams string) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO notification (author, id, streams) VALUES ($1, $2, $3) ON CONFLICT (author, id) DO NOTHING`,
		author, id, streams)
	if err != nil {
		return fmt.Errorf("claim the id: %w", err)
	}
	var claimed string
	_, err = database.One(ctx, tx, "SELECT streams FROM notification WHERE author = $1 AND id = $2",
		[]any{author, id}, &claimed)
	if err == nil && claimed != streams {
		err = chat.ErrIDReused
	}
	return err
}

// appendNotices takes all streams before it writes to one, in one order for all.
func (s *Store) appendNotices(ctx context.Context, tx *database.Tx, drafts []chat.Draft) error {
	ends, err := s.lockAll(ctx, tx, drafts)
	if err != nil {
		return err
	}
	known, err := s.known(ctx, tx, drafts)
	if err != nil {
		return err
	}
	var entries []chat.Entry
	for _, d := range drafts {
		if body, again := known[noticeID{d.Stream, d.Author, d.ID}]; again {
			if body == d.Body {
				continue
			}
			if d.Author != "" {
				return chat.ErrIDReused
			}
			d.ID = uuid.NewString() // Another publisher's event with the same id.
		}
		last, ok := ends[d.Stream]
		if !ok {
			return chat.ErrNoStream.With(d.Stream)
		}
		last.head, last.ordinal, last.at = last.head+1, last.ordinal+1, max(database.Instant(time.Now()), last.at)
		ends[d.Stream] = last
		known[noticeID{d.Stream, d.Author, d.ID}] = d.Body
		entries = append(entries, chat.Entry{
			Stream: d.Stream, Sequence: last.head, Tag: rand.Text()[:tagLength], Ordinal: last.ordinal,
			ID: d.ID, Kind: d.Kind, Author: d.Author, Avatar: d.Avatar, Body: d.Body, At: database.Time(last.at),
		})
	}
	if err := s.insertAll(ctx, tx, entries, ends); err != nil {
		return err
	}
	tx.AfterCommit(func() {
		for _, e := range entries {
			slog.InfoContext(ctx, "entry stored", "stream", e.Stream, "sequence", e.Sequence, "id", e.ID)
			s.stored(e)
		}
	})
	return nil
}

// lockAll takes the rows of the drafts' streams, in the order of their ids: two
// transactions that share streams would else wait for each other.
func (s *Store) lockAll(ctx context.Context, tx *database.Tx, drafts []chat.Draft) (map[string]end, error) {
	var streams, own, kinds []string
	for _, d := range drafts {
		if slices.Contains(streams, d.Stream) {
			continue
		}
		streams = append(streams, d.Stream)
		if _, ok := chat.Owner(d.Stream); ok {
			own, kinds = append(own, d.Stream), append(kinds, string(chat.KindOf(d.Stream)))
		}
	}
	if len(own) > 0 {
		table, args, err := s.db.Dialect.Table("made", 1,
			database.Column{Name: "id", Values: own}, database.Column{Name: "kind", Values: kinds})
		if err != nil {
			return nil, err
		}
		_, err = tx.ExecContext(ctx, `
			INSERT INTO stream (id, kind, head, ordinal, last_at) SELECT id, kind, 0, 0, 0 FROM `+table+` WHERE true ORDER BY id
			ON CONFLICT (id) DO NOTHING`, args...)
		if err != nil {
			return nil, fmt.Errorf("make own feeds: %w", err)
		}
	}
	table, args, err := s.db.Dialect.Table("wanted", 1, database.Column{Name: "id", Values: streams})
	if err != nil {
		return nil, err
	}
	ends := make(map[string]end, len(streams))
	_, err = database.All(ctx, tx, func(scan func(...any) error) (struct{}, error) {
		var id string
		var last end
		err := scan(&id, &last.head, &last.ordinal, &last.at)
		ends[id] = last
		return struct{}{}, err
	}, "SELECT id, head, ordinal, last_at FROM stream WHERE id IN (SELECT id FROM "+table+") ORDER BY id"+
		s.db.Dialect.ForUpdate(), args...)
	if err != nil {
		return nil, fmt.Errorf("lock the streams: %w", err)
	}
	return ends, nil
}

type noticeID struct{ stream, author, id string }

// known is which of the drafts' ids are taken, and by which text.
func (s *Store) known(ctx context.Context, tx *database.Tx, drafts []chat.Draft) (map[noticeID]string, error) {
	var streams, authors, ids []string
	for _, d := range drafts {
		streams, authors, ids = append(streams, d.Stream), append(authors, d.Author), append(ids, d.ID)
	}
	table, args, err := s.db.Dialect.Table("draft", 1, database.Column{Name: "stream", Values: streams},
		database.Column{Name: "author", Values: authors}, database.Column{Name: "id", Values: ids})
	if err != nil {
		return nil, err
	}
	known := make(map[noticeID]string)
	_, err = database.All(ctx, tx, func(scan func(...any) error) (struct{}, error) {
		var of noticeID
		var body string
		err := scan(&of.stream, &of.author, &of.id, &body)
		known[of] = body
		return struct{}{}, err
	}, `SELECT entry.stream, entry.author, entry.id, entry.body FROM `+table+` CROSS JOIN entry
		WHERE entry.stream = draft.stream AND entry.author = draft.author AND entry.id = draft.id`, args...)
	if err != nil {
		return nil, fmt.Errorf("look for known notices: %w", err)
	}
	return known, nil
}

func (s *Store) insertAll(ctx context.Context, tx *database.Tx, entries []chat.Entry, ends map[string]end) error {
	if len(entries) == 0 {
		return nil
	}
	var streams, tags, ids, kinds, authors, avatars, bodies []string
	var sequences, ordinals, ats []int64
	for _, e := range entries {
		streams, tags, ids = append(streams, e.Stream), append(tags, e.Tag), append(ids, e.ID)
		kinds, bodies = append(kinds, string(e.Kind)), append(bodies, e.Body)
		authors, avatars = append(authors, e.Author), append(avatars, e.Avatar)
		sequences, ordinals, ats = append(sequences, e.Sequence), append(ordinals, e.Ordinal), append(ats, database.Instant(e.At))
	}
	table, args, err := s.db.Dialect.Table("fresh", 1,
		database.Column{Name: "stream", Values: streams}, database.Column{Name: "sequence", Values: sequences},
		database.Column{Name: "tag", Values: tags}, database.Column{Name: "ordinal", Values: ordinals},
		database.Column{Name: "id", Values: ids}, database.Column{Name: "kind", Values: kinds},
		database.Column{Name: "author", Values: authors}, database.Column{Name: "avatar", Values: avatars},
		database.Column{Name: "body", Values: bodies}, database.Column{Name: "at", Values: ats})
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `
		INSERT INTO entry (stream, sequence, tag, ordinal, id, kind, author, avatar, body, reply_to, at)
		SELECT stream, sequence, tag, ordinal, id, kind, author, avatar, body, 0, at FROM `+table, args...)
	if err != nil {
		return fmt.Errorf("insert: %w", err)
	}
	return s.moveAll(ctx, tx, ends)
}

// moveAll notes where the streams end now.
func (s *Store) moveAll(ctx context.Context, tx *database.Tx, ends map[string]end) error {
	var streams, kinds []string
	var heads, ordinals, ats []int64
	for stream, last := range ends {
		streams, kinds, heads = append(streams, stream), append(kinds, string(chat.KindOf(stream))), append(heads, last.head)
		ordinals, ats = append(ordinals, last.ordinal), append(ats, last.at)
	}
	table, args, err := s.db.Dialect.Table("moved", 1,
		database.Column{Name: "id", Values: streams}, database.Column{Name: "kind", Values: kinds},
		database.Column{Name: "head", Values: heads}, database.Column{Name: "ordinal", Values: ordinals}, database.Column{Name: "at", Values: ats})
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `
		INSERT INTO stream (id, kind, head, ordinal, last_at)
		SELECT id, kind, head, ordinal, at FROM `+table+` WHERE true
		ON CONFLICT (id) DO UPDATE SET head = excluded.head, ordinal = excluded.ordinal, last_at = excluded.last_at`, args...)
	if err != nil {
		return fmt.Errorf("advance: %w", err)
	}
	return nil
}
