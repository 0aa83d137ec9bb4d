package main

import (
	"context"
	"fmt"

	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
)

// accounts are the policies' accounts: opened by a sale, closed by its end.
type accounts struct{}

// open books what the policy holder owes. It runs in the inbox's transaction:
// the booking and the fact that the event was handled commit together.
func (a accounts) open(ctx context.Context, tx *database.Tx, m event.Message, e policyCreated) error {
	return a.book(ctx, tx, m, e.PolicyNumber, "opened", int64(e.TotalPremium))
}

// closed books back what is returned.
func (a accounts) closed(ctx context.Context, tx *database.Tx, m event.Message, e policyTerminated) error {
	return a.book(ctx, tx, m, e.PolicyNumber, "closed", -int64(e.AmountToReturn))
}

func (accounts) book(ctx context.Context, tx *database.Tx, m event.Message, policyNumber, kind string, amount int64) error {
	state := map[string]string{"opened": "open", "closed": "closed"}[kind]
	_, err := tx.ExecContext(ctx, `
		INSERT INTO account (policy_number, state, balance) VALUES ($1, $2, $3)
		ON CONFLICT (policy_number) DO UPDATE
		SET state = excluded.state, balance = account.balance + excluded.balance`, policyNumber, state, amount)
	if err != nil {
		return fmt.Errorf("book on the account of %s: %w", policyNumber, err)
	}
	_, err = tx.ExecContext(ctx, `
		INSERT INTO movement (policy_number, position, kind, amount, event_id)
		SELECT CAST($1 AS text), count(*), CAST($2 AS text), CAST($3 AS bigint), CAST($4 AS text)
		FROM movement WHERE policy_number = $1`,
		policyNumber, kind, amount, m.ID)
	if err != nil {
		return fmt.Errorf("note what was booked for %s: %w", policyNumber, err)
	}
	return nil
}
