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
			stream, err := readStream(ctx, tx, login, id)
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

// Join reads the streams of an agent from a single snapshot: entries after the agent's
// cursors, else the last page. Entries stored later follow the heads of the snapshot.
func (s *Store) Join(ctx context.Context, login string, cursors chat.Cursors) (chat.Snapshot, error) {
	snapshot := chat.Snapshot{Resync: []string{}}
	err := s.db.InSnapshot(ctx, func(tx *database.Tx) error {
		for _, id := range chat.Readable(login) {
			stream, err := readStream(ctx, tx, login, id)
			if err != nil {
				return err
			}
			if at, known := cursors[id]; known {
				found, err := checkCursor(ctx, tx, id, at)
				if err != nil {
					return err
				}
				if found {
					stream.After = &at
				} else {
					snapshot.Resync = append(snapshot.Resync, id)
				}
			}
			if stream.After != nil {
				stream.Entries, err = entriesAfter(ctx, tx, id, stream.After.Sequence, chat.MaxFollowing)
			} else {
				stream.Entries, err = entriesBefore(ctx, tx, id, 0, chat.LastPage)
			}
			if err != nil {
				return err
			}
			snapshot.Streams = append(snapshot.Streams, stream)
		}
		return nil
	})
	if err != nil {
		return chat.Snapshot{}, fmt.Errorf("read the streams of %s: %w", login, err)
	}
	snapshot.Fit(chat.MaxSnapshot)
	return snapshot, nil
}

// readStream reads a stream and an agent's read cursor, without entries. An own feed
// without entries may not exist yet.
func readStream(ctx context.Context, tx *database.Tx, login, id string) (chat.JoinedStream, error) {
	s := chat.JoinedStream{Stream: chat.Stream{ID: id, Kind: chat.KindOf(id), Title: chat.TitleOf(id)}}
	_, err := database.One(ctx, tx, `
		SELECT s.head, COALESCE(e.tag, ''), COALESCE(r.sequence, 0), s.ordinal - COALESCE(r.ordinal, 0)
		FROM stream s
		LEFT JOIN entry e ON e.stream = s.id AND e.sequence = s.head
		LEFT JOIN read_cursor r ON r.stream = s.id AND r.login = $2
		WHERE s.id = $1`, []any{id, login}, &s.Head, &s.HeadTag, &s.Read, &s.Unread)
	if err != nil {
		return s, fmt.Errorf("read stream %s: %w", id, err)
	}
	return s, nil
}
