package store

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"parley.internal/chat"
	"parley.internal/pkg/database"
)

// Heads is where each stream ends that got an entry since a time, the newest
// first.
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

// lostPage is how many positions one query looks at.
const lostPage = 100

// RolledBack lists the streams that no longer hold the entry at their cursor.
func (s *Store) RolledBack(ctx context.Context, read chat.Cursors) ([]string, error) {
	var lost []string
	page := make(chat.Cursors, lostPage)
	look := func() error {
		held, err := s.held(ctx, page)
		if err != nil {
			return err
		}
		for stream := range page {
			if !held[stream] {
				lost = append(lost, stream)
			}
		}
		clear(page)
		return nil
	}
	for stream, p := range read {
		if p.Sequence == 0 {
			continue // Everything follows the start.
		}
		if page[stream] = p; len(page) < lostPage {
			continue
		}
		if err := look(); err != nil {
			return nil, err
		}
	}
	return lost, look()
}

// held are those streams that hold their position.
func (s *Store) held(ctx context.Context, page chat.Cursors) (map[string]bool, error) {
	if len(page) == 0 {
		return nil, nil //nolint:nilnil // A nil map holds nothing.
	}
	var where []string
	var args []any
	for stream, p := range page {
		var n [3]string
		for i := range n {
			n[i] = "$" + strconv.Itoa(len(args)+1+i)
		}
		where = append(where, "stream = "+n[0]+" AND sequence = "+n[1]+" AND tag = "+n[2])
		args = append(args, stream, p.Sequence, p.Tag)
	}
	streams, err := database.All(ctx, s.db.Reader(), func(scan func(...any) error) (stream string, err error) {
		return stream, scan(&stream)
	}, "SELECT stream FROM entry WHERE "+strings.Join(where, " OR "), args...)
	if err != nil {
		return nil, fmt.Errorf("look for what was read: %w", err)
	}
	held := make(map[string]bool, len(streams))
	for _, stream := range streams {
		held[stream] = true
	}
	return held, nil
}
