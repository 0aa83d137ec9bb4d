package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"parley.internal/chat"
	"parley.internal/pkg/database"
)

// Introduce adds agents to the directory, or updates their profiles.
func (s *Store) Introduce(ctx context.Context, profiles []chat.Profile) error {
	err := s.db.InTx(ctx, func(tx *database.Tx) error {
		for _, p := range profiles {
			if err := upsertAgent(ctx, tx, p); err != nil {
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

// RecordSeen adds an agent to the directory and records when the agent was seen.
func (s *Store) RecordSeen(ctx context.Context, p chat.Profile, at time.Time) error {
	err := s.db.InTx(ctx, func(tx *database.Tx) error {
		if err := upsertAgent(ctx, tx, p); err != nil {
			return err
		}
		return updateLastSeen(ctx, tx, p.Login, at)
	})
	if err != nil {
		return fmt.Errorf("record %s as seen: %w", p.Login, err)
	}
	return nil
}

// RecordOffline records when agents went offline.
func (s *Store) RecordOffline(ctx context.Context, agents []chat.Presence) error {
	err := s.db.InTx(ctx, func(tx *database.Tx) error {
		for _, a := range agents {
			if err := updateLastSeen(ctx, tx, a.Login, a.At); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("record %d agents as offline: %w", len(agents), err)
	}
	return nil
}

func upsertAgent(ctx context.Context, tx *database.Tx, p chat.Profile) error {
	if err := p.Check(); err != nil {
		return err
	}
	_, err := tx.ExecContext(ctx, `
		INSERT INTO agent (login, name, avatar) VALUES ($1, $2, $3)
		ON CONFLICT (login) DO UPDATE SET name = excluded.name, avatar = excluded.avatar`, p.Login, p.Name, p.Avatar)
	if err != nil {
		return fmt.Errorf("upsert agent %s: %w", p.Login, err)
	}
	return nil
}

func updateLastSeen(ctx context.Context, tx *database.Tx, login string, at time.Time) error {
	_, err := tx.ExecContext(ctx,
		"UPDATE agent SET last_seen_at = $2 WHERE login = $1 AND (last_seen_at IS NULL OR last_seen_at < $2)",
		login, database.Instant(at))
	return err
}

// Agents lists the directory by login, after a login. All agents are offline: the database
// holds no presence.
func (s *Store) Agents(ctx context.Context, after string, limit int) ([]chat.Agent, error) {
	agents, err := database.All(ctx, s.db.Reader(), func(scan func(...any) error) (chat.Agent, error) {
		a := chat.Agent{State: chat.Offline}
		var lastSeen sql.NullInt64
		err := scan(&a.Login, &a.Name, &a.Avatar, &lastSeen)
		if lastSeen.Valid {
			at := database.Time(lastSeen.Int64)
			a.At = &at
		}
		return a, err
	}, "SELECT login, name, avatar, last_seen_at FROM agent WHERE login > $1 ORDER BY login LIMIT $2", after, limit)
	if err != nil {
		return nil, fmt.Errorf("list agents: %w", err)
	}
	return agents, nil
}
