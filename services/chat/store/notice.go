package store

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"parley.internal/chat"
	"parley.internal/pkg/database"
)

type noticesKey struct{}

// Note appends a notice at the end of a transaction, all of its notices at once;
// an id that its stream has already of the same source is not stored again.
func (s *Store) Note(ctx context.Context, tx *database.Tx, d chat.Draft) {
	database.Gather(tx, noticesKey{}, d, func(all []chat.Draft) error {
		if _, err := s.appendAll(ctx, tx, all); err != nil {
			return fmt.Errorf("append %d notices: %w", len(all), err)
		}
		return nil
	})
}

// Announce appends the drafts of one announcement, which have their author and
// their id in common, to a stream each. It stores none of them, and answers
// chat.ErrNoAgent, if the owner of an own feed is not known, and
// chat.ErrIDReused if the author announced something else under this id.
func (s *Store) Announce(ctx context.Context, drafts []chat.Draft) error {
	err := s.db.InTx(ctx, func(tx *database.Tx) error {
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
		_, err := s.appendAll(ctx, tx, drafts)
		return err
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
