package store

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"parley.internal/chat"
	"parley.internal/pkg/database"
)

// AppendAnnouncement appends the drafts of an announcement, which have their author and id
// in common, each to another stream. All or none are stored: the result is chat.ErrNoAgent
// if the owner of an own feed is unknown, and chat.ErrIDReused if the author used the id for
// another announcement.
func (s *Store) AppendAnnouncement(ctx context.Context, drafts []chat.Draft) error {
	err := s.db.InTx(ctx, func(tx *database.Tx) error {
		var streams []string
		for _, d := range drafts {
			streams = append(streams, d.Stream)
			if err := checkOwner(ctx, tx, d.Stream); err != nil {
				return err
			}
		}
		slices.Sort(streams)
		if err := claimID(ctx, tx, drafts[0].Author, drafts[0].ID, strings.Join(streams, "\n")); err != nil {
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

// checkOwner returns chat.ErrNoAgent for the own feed of an unknown agent.
func checkOwner(ctx context.Context, tx *database.Tx, stream string) error {
	owner, own := chat.Owner(stream)
	if !own {
		return nil
	}
	if (chat.Profile{Login: owner}).Check() != nil { // PostgreSQL rejects a null byte in a text.
		return chat.ErrNoAgent.With(owner)
	}
	var found int
	known, err := database.One(ctx, tx, "SELECT 1 FROM agent WHERE login = $1", []any{owner}, &found)
	if err == nil && !known {
		err = chat.ErrNoAgent.With(owner)
	}
	return err
}

// claimID records the streams of an announcement's id. The result is chat.ErrIDReused if
// the id belongs to an announcement to other streams.
func claimID(ctx context.Context, tx *database.Tx, author, id, streams string) error {
	var claimed string
	_, err := database.One(ctx, tx, `
		INSERT INTO announcement (author, id, streams) VALUES ($1, $2, $3)
		ON CONFLICT (author, id) DO UPDATE SET streams = announcement.streams RETURNING streams`,
		[]any{author, id, streams}, &claimed)
	if err == nil && claimed != streams {
		err = chat.ErrIDReused
	}
	return err
}
