package store

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"parley.internal/chat"
	"parley.internal/pkg/database"
)

// Heads lists the heads of all streams with an entry since a time, newest first.
func (s *Store) Heads(ctx context.Context, since time.Time) ([]chat.Head, error) {
	heads, err := database.All(ctx, s.db.Reader(), func(scan func(...any) error) (h chat.Head, err error) {
		return h, scan(&h.Stream, &h.Sequence, &h.Tag)
	}, `
		SELECT s.id, s.head, COALESCE(e.tag, '') FROM stream s LEFT JOIN entry e ON e.stream = s.id AND e.sequence = s.head
		WHERE s.last_at >= $1 ORDER BY s.last_at DESC`, database.Instant(since))
	if err != nil {
		return nil, fmt.Errorf("read heads: %w", err)
	}
	return heads, nil
}

// lockHeads locks the streams of drafts and returns their heads; own feeds are created.
// Streams are locked in the order of their ids: transactions with common streams cannot
// deadlock.
func (s *Store) lockHeads(ctx context.Context, tx *database.Tx, drafts []chat.Draft) (heads, error) {
	var streams, feeds []string
	for _, d := range drafts {
		if slices.Contains(streams, d.Stream) {
			continue
		}
		streams = append(streams, d.Stream)
		if _, own := chat.Owner(d.Stream); own {
			feeds = append(feeds, d.Stream)
		}
	}
	if len(feeds) > 0 {
		if err := createFeeds(ctx, tx, feeds); err != nil {
			return nil, err
		}
	}
	locked := make(heads, len(streams))
	_, err := database.AllTable(ctx, tx, func(scan func(...any) error) (struct{}, error) {
		var id string
		var last head
		err := scan(&id, &last.sequence, &last.ordinal, &last.at)
		locked[id] = last
		return struct{}{}, err
	}, "SELECT id, head, ordinal, last_at FROM stream WHERE id IN (SELECT id FROM %s) ORDER BY id"+s.db.Dialect.ForUpdate(),
		[]database.Column{{Name: "id", Values: streams}})
	if err != nil {
		return nil, fmt.Errorf("lock streams: %w", err)
	}
	return locked, nil
}

func createFeeds(ctx context.Context, tx *database.Tx, feeds []string) error {
	err := tx.ExecTable(ctx, `
		INSERT INTO stream (id, kind, head, ordinal, last_at) SELECT id, $1, 0, 0, 0 FROM %s WHERE true ORDER BY id
		ON CONFLICT (id) DO NOTHING`, []database.Column{{Name: "id", Values: feeds}}, string(chat.OwnFeed))
	if err != nil {
		return fmt.Errorf("create own feeds: %w", err)
	}
	return nil
}

// updateHeads stores the new heads of locked streams. The rows exist: an upsert by key is
// the update of many rows that both databases plan well.
func updateHeads(ctx context.Context, tx *database.Tx, moved heads) error {
	streams := slices.Collect(maps.Keys(moved))
	err := tx.ExecTable(ctx, `
		INSERT INTO stream (id, kind, head, ordinal, last_at) SELECT id, '', head, ordinal, at FROM %s WHERE true
		ON CONFLICT (id) DO UPDATE SET head = excluded.head, ordinal = excluded.ordinal, last_at = excluded.last_at`,
		[]database.Column{
			{Name: "id", Values: streams},
			database.NewColumn("head", streams, func(id string) int64 { return moved[id].sequence }),
			database.NewColumn("ordinal", streams, func(id string) int64 { return moved[id].ordinal }),
			database.NewColumn("at", streams, func(id string) int64 { return moved[id].at }),
		})
	if err != nil {
		return fmt.Errorf("update heads: %w", err)
	}
	return nil
}
