// Package store keeps accounts and their movements in the service's database,
// SQLite or PostgreSQL.
//
// Book accepts duplicates and movements out of order: the inbox deduplicates and
// orders events.
package store

import (
	"context"
	"embed"
	"fmt"

	"parley.internal/payments"
	"parley.internal/pkg/database"
)

//go:embed migrations
var migrations embed.FS

// Migrate creates the tables of payments in db. The inbox has migrations of its
// own.
func Migrate(ctx context.Context, db *database.DB) error {
	return database.Migrate(ctx, db, "payments", migrations)
}

var states = map[string]string{payments.Opened: "open", payments.Closed: "closed"}

// Book stores a movement and changes the balance of its account.
func Book(ctx context.Context, tx *database.Tx, m payments.Movement) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO account (policy_number, state, balance) VALUES ($1, $2, $3)
		ON CONFLICT (policy_number) DO UPDATE
		SET state = excluded.state, balance = account.balance + excluded.balance`,
		m.PolicyNumber, states[m.Kind], int64(m.Amount))
	if err != nil {
		return fmt.Errorf("update account of policy %s: %w", m.PolicyNumber, err)
	}
	_, err = tx.ExecContext(ctx, `
		INSERT INTO movement (policy_number, position, kind, amount, event_id)
		SELECT CAST($1 AS text), count(*), CAST($2 AS text), CAST($3 AS bigint), CAST($4 AS text)
		FROM movement WHERE policy_number = $1`,
		m.PolicyNumber, m.Kind, int64(m.Amount), m.EventID)
	if err != nil {
		return fmt.Errorf("insert movement of policy %s: %w", m.PolicyNumber, err)
	}
	return nil
}
