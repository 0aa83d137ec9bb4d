package store

import (
	"context"
	"fmt"

	"parley.internal/chat"
	"parley.internal/pkg/database"
)

// Streams lists the streams of an agent.
func (s *Store) Streams(ctx context.Context, login string) ([]chat.Stream, error) {
	var streams []chat.Stream
	err := s.db.InSnapshot(ctx, func(tx *database.Tx) error {
		for _, id := range chat.Readable(login) {
			stream, err := look(ctx, tx, login, id)
			if err != nil {
				return err
			}
			streams = append(streams, stream.Stream)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list the streams of %s: %w", login, err)
	}
	return streams, nil
}

// Join is what an agent needs who knows what cursor says: all from one snapshot,
// so that what is stored after it is what follows its heads.
func (s *Store) Join(ctx context.Context, login string, cursor chat.Cursors) (chat.Snapshot, error) {
	all := chat.Snapshot{Resync: []string{}}
	err := s.db.InSnapshot(ctx, func(tx *database.Tx) error {
		for _, id := range chat.Readable(login) {
			stream, err := look(ctx, tx, login, id)
			if err != nil {
				return err
			}
			read, known := cursor[id]
			if known && read.Sequence > 0 {
				now, err := cursorAt(ctx, tx, "sequence = $2", id, read.Sequence)
				if err != nil {
					return err
				}
				if known = now == read; !known {
					all.Resync = append(all.Resync, id)
				}
			}
			if known {
				stream.After = &read
				stream.Entries, err = after(ctx, tx, id, read.Sequence, chat.MaxFollowing)
			} else {
				stream.Entries, err = before(ctx, tx, id, 0, chat.LastPage)
			}
			if err != nil {
				return err
			}
			all.Streams = append(all.Streams, stream)
		}
		return nil
	})
	if err != nil {
		return chat.Snapshot{}, fmt.Errorf("read the streams of %s: %w", login, err)
	}
	all.Fit(chat.MaxSnapshot)
	return all, nil
}

// look is a stream as an agent sees it, without entries. An own feed that has
// none may not have been made yet.
func look(ctx context.Context, tx *database.Tx, login, id string) (chat.JoinedStream, error) {
	s := chat.JoinedStream{Stream: chat.Stream{ID: id, Kind: chat.KindOf(id), Title: chat.TitleOf(id)}}
	_, err := database.One(ctx, tx, `
		SELECT s.head, COALESCE(e.tag, ''), COALESCE(r.sequence, 0), s.ordinal - COALESCE(r.ordinal, 0)
		FROM stream s
		LEFT JOIN entry e ON e.stream = s.id AND e.sequence = s.head
		LEFT JOIN read_cursor r ON r.stream = s.id AND r.login = $2
		WHERE s.id = $1`, []any{id, login}, &s.Head, &s.HeadTag, &s.Read, &s.Unread)
	if err != nil {
		return s, fmt.Errorf("look at %s: %w", id, err)
	}
	return s, nil
}
