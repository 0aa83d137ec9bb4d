package store

import (
	"context"
	"fmt"
	"slices"

	"parley.internal/chat"
	"parley.internal/pkg/database"
)

// end is where a stream ends.
type end struct{ head, ordinal, at int64 }

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
