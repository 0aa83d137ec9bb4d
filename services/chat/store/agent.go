package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"parley.internal/chat"
	"parley.internal/pkg/database"
)

// Introduce makes agents known, or renames those who are.
func (s *Store) Introduce(ctx context.Context, profiles []chat.Profile) error {
	err := s.db.InTx(ctx, func(tx *database.Tx) error {
		for _, p := range profiles {
			if err := introduce(ctx, tx, p); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("introduce agents: %w", err)
	}
	return nil
}

func introduce(ctx context.Context, tx *database.Tx, p chat.Profile) error {
	if err := p.Check(); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `
		INSERT INTO agent (login, name, avatar) VALUES ($1, $2, $3)
		ON CONFLICT (login) DO UPDATE SET name = excluded.name, avatar = excluded.avatar`, p.Login, p.Name, p.Avatar)
	if err != nil {
		return fmt.Errorf("introduce %s: %w", p.Login, err)
	}
	return nil
}

// Seen makes an agent known who is here at a time.
func (s *Store) Seen(ctx context.Context, p chat.Profile, at time.Time) error {
	err := s.db.InTx(ctx, func(tx *database.Tx) error {
		if err := introduce(ctx, tx, p); err != nil {
			return err
		}
		return see(ctx, tx, p.Login, at)
	})
	if err != nil {
		return fmt.Errorf("see %s: %w", p.Login, err)
	}
	return nil
}

// Left notes when agents have gone.
func (s *Store) Left(ctx context.Context, left []chat.Presence) error {
	err := s.db.InTx(ctx, func(tx *database.Tx) error {
		for _, p := range left {
			if err := see(ctx, tx, p.Login, p.At); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("note who has left: %w", err)
	}
	return nil
}

func see(ctx context.Context, tx *database.Tx, login string, at time.Time) error {
	_, err := tx.ExecContext(ctx, "UPDATE agent SET seen_at = $2 WHERE login = $1 AND (seen_at IS NULL OR seen_at < $2)",
		login, database.Instant(at))
	return err
}

// Agents lists those who are known, by login, after one. They are offline, for
// all that the database knows.
func (s *Store) Agents(ctx context.Context, after string, limit int) ([]chat.Agent, error) {
	agents, err := database.All(ctx, s.db.Reader(), func(scan func(...any) error) (chat.Agent, error) {
		a := chat.Agent{State: chat.Offline}
		var seen sql.NullInt64
		err := scan(&a.Login, &a.Name, &a.Avatar, &seen)
		if seen.Valid {
			at := database.Time(seen.Int64)
			a.At = &at
		}
		return a, err
	}, "SELECT login, name, avatar, seen_at FROM agent WHERE login > $1 ORDER BY login LIMIT $2", after, limit)
	if err != nil {
		return nil, fmt.Errorf("list agents: %w", err)
	}
	return agents, nil
}

func isKnown(ctx context.Context, tx *database.Tx, login string) (bool, error) {
	if strings.ContainsRune(login, 0) { // A text that PostgreSQL does not take.
		return false, nil
	}
	var one int
	return database.One(ctx, tx, "SELECT 1 FROM agent WHERE login = $1", []any{login}, &one)
}
