package store

import (
	"context"
	"fmt"

	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
	"parley.internal/policy"
)

// Terminate implements policy.Tx. Concurrent terminations are serialized: the
// second finds the policy terminated.
func (tx *transaction) Terminate(
	ctx context.Context, agent policy.Agent, number string, terminate func(*policy.Policy) ([]event.Event, error),
) error {
	p, err := readPolicy(ctx, tx, agent, number, tx.lock())
	if err != nil {
		return err
	}
	events, err := terminate(p)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "UPDATE policy SET status = $1, newest_version = $2 WHERE number = $3",
		string(p.Status), p.Newest().Number, number)
	if err != nil {
		return fmt.Errorf("update policy %s: %w", number, err)
	}
	if err := tx.insertVersion(ctx, number, p.Newest()); err != nil {
		return err
	}
	return tx.store.outbox.Write(ctx, tx.Tx, number, events...)
}

// Policy returns a policy.
func (s *Store) Policy(ctx context.Context, agent policy.Agent, number string) (p *policy.Policy, err error) {
	err = s.db.InSnapshot(ctx, func(tx *database.Tx) error {
		p, err = readPolicy(ctx, tx, agent, number, "")
		return err
	})
	return p, err
}

func readPolicy(
	ctx context.Context, q database.Querier, agent policy.Agent, number, lock string,
) (*policy.Policy, error) {
	policies, err := database.All(ctx, q, scanPolicy,
		"SELECT "+policyColumns+" FROM policy WHERE number = $1"+lock, number)
	if err != nil {
		return nil, fmt.Errorf("read policy %s: %w", number, err)
	}
	if len(policies) == 0 || !agent.MaySee(policies[0].AgentLogin) {
		return nil, policy.ErrPolicyUnknown
	}
	if err := readVersions(ctx, q, policies); err != nil {
		return nil, err
	}
	return policies[0], nil
}

// Policies lists at most limit policies after a cursor, newest first.
func (s *Store) Policies(
	ctx context.Context, agent policy.Agent, after policy.Cursor, limit int,
) (policies []*policy.Policy, err error) {
	query := "SELECT " + policyColumns + " FROM policy WHERE TRUE"
	args := []any{limit}
	if !agent.Admin {
		args = append(args, agent.Login)
		query += fmt.Sprintf(" AND agent_login = $%d", len(args))
	}
	if after.Number != "" {
		args = append(args, database.Instant(after.CreatedAt), after.Number)
		query += fmt.Sprintf(" AND (created_at, number) < ($%d, $%d)", len(args)-1, len(args))
	}
	query += " ORDER BY created_at DESC, number DESC LIMIT $1"
	err = s.db.InSnapshot(ctx, func(tx *database.Tx) error {
		policies, err = database.All(ctx, tx, scanPolicy, query, args...)
		if err != nil {
			return fmt.Errorf("list policies: %w", err)
		}
		return readVersions(ctx, tx, policies)
	})
	return policies, err
}

const policyColumns = `number, offer_number, product_code, first_name, last_name, tax_id,
	country, zip_code, city, street, agent_login, created_at, status`

func scanPolicy(scan func(...any) error) (*policy.Policy, error) {
	var p policy.Policy
	var createdAt int64
	err := scan(&p.Number, &p.OfferNumber, &p.ProductCode, &p.Holder.FirstName, &p.Holder.LastName, &p.Holder.TaxID,
		&p.Address.Country, &p.Address.ZipCode, &p.Address.City, &p.Address.Street, &p.AgentLogin, &createdAt, &p.Status)
	p.CreatedAt = database.Time(createdAt)
	return &p, err
}

// insertPolicy inserts a policy with a single version.
func (tx *transaction) insertPolicy(ctx context.Context, p *policy.Policy) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO policy (`+policyColumns+`, newest_version)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
		p.Number, p.OfferNumber, p.ProductCode, p.Holder.FirstName, p.Holder.LastName, p.Holder.TaxID,
		p.Address.Country, p.Address.ZipCode, p.Address.City, p.Address.Street, p.AgentLogin,
		database.Instant(p.CreatedAt), string(p.Status), p.Newest().Number)
	if err != nil {
		return fmt.Errorf("add policy %s: %w", p.Number, err)
	}
	return tx.insertVersion(ctx, p.Number, p.Newest())
}
