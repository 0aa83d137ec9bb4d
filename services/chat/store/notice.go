package store

import (
	"context"
	"fmt"

	"parley.internal/chat"
	"parley.internal/pkg/database"
)

// AppendNotice appends a notice in a transaction. All notices of a transaction are stored
// together, right before the commit or the release of a savepoint. A duplicate, with a
// known stream, source and id, is not stored again.
func (s *Store) AppendNotice(ctx context.Context, tx *database.Tx, notice chat.Draft) {
	s.notices.Add(ctx, tx, notice)
}

func (s *Store) appendNotices(ctx context.Context, tx *database.Tx, notices []chat.Draft) error {
	if _, err := s.appendAll(ctx, tx, notices); err != nil {
		return fmt.Errorf("append %d notices: %w", len(notices), err)
	}
	return nil
}
