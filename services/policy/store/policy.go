package store

import (
	"context"
	"fmt"

	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
	"parley.internal/policy"
)

// Terminate stores what terminate did to the policy, a version more, and what
// it says happened. Two at once are one after the other: the second finds the
// policy terminated.
func (s *Store) Terminate(
	ctx context.Context, tx *database.Tx, viewer policy.Viewer, number string,
	terminate func(*policy.Policy) ([]event.Event, error),
) error {
	return s.in(ctx, tx, func(tx *database.Tx) error {
		p, err := s.policy(ctx, tx, viewer, number, s.db.Dialect.ForUpdate())
		if err != nil {
			return err
		}
		seen := newest(p)
		events, err := terminate(p)
		if err != nil {
			return err
		}
		// The lock makes this sure; the condition makes it sure without the lock.
		changed, err := database.Affected(tx.ExecContext(ctx,
			"UPDATE policy SET status = $1, newest_version = $2 WHERE number = $3 AND newest_version = $4",
			string(p.Status), newest(p), number, seen))
		if err != nil {
			return fmt.Errorf("terminate policy %s: %w", number, err)
		}
		if changed != 1 {
			return policy.ErrPolicyChanged.With(number)
		}
		if err := insertVersion(ctx, tx, number, p.Versions[len(p.Versions)-1]); err != nil {
			return fmt.Errorf("terminate policy %s: %w", number, err)
		}
		return s.outbox.Write(ctx, tx, number, events...)
	})
}

// Policy is one policy.
func (s *Store) Policy(ctx context.Context, viewer policy.Viewer, number string) (p *policy.Policy, err error) {
	err = s.db.InSnapshot(ctx, func(tx *database.Tx) error {
		p, err = s.policy(ctx, tx, viewer, number, "")
		return err
	})
	return p, err
}

func (s *Store) policy(
	ctx context.Context, tx *database.Tx, viewer policy.Viewer, number, lock string,
) (*policy.Policy, error) {
	policies, err := database.All(ctx, tx, scanPolicy,
		"SELECT "+policyColumns+" FROM policy WHERE number = $1"+lock, number)
	if err != nil {
		return nil, fmt.Errorf("read policy %s: %w", number, err)
	}
	if len(policies) == 0 || !viewer.Sees(policies[0].AgentLogin) {
		return nil, policy.ErrPolicyUnknown
	}
	if err := readVersions(ctx, tx, policies); err != nil {
		return nil, err
	}
	return policies[0], nil
}

// Policies lists at most limit policies that come after a position, newest
// first.
func (s *Store) Policies(
	ctx context.Context, viewer policy.Viewer, after policy.Position, limit int,
) (policies []*policy.Policy, err error) {
	query := "SELECT " + policyColumns + " FROM policy WHERE TRUE"
	args := []any{limit}
	if !viewer.SeesAll {
		args = append(args, viewer.Login)
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

func newest(p *policy.Policy) int { return p.Versions[len(p.Versions)-1].Number }

func scanPolicy(scan func(...any) error) (*policy.Policy, error) {
	var p policy.Policy
	var createdAt int64
	err := scan(&p.Number, &p.OfferNumber, &p.ProductCode, &p.Holder.FirstName, &p.Holder.LastName, &p.Holder.TaxID,
		&p.Address.Country, &p.Address.ZipCode, &p.Address.City, &p.Address.Street, &p.AgentLogin, &createdAt, &p.Status)
	p.CreatedAt = database.Time(createdAt)
	return &p, err
}

func insertPolicy(ctx context.Context, tx *database.Tx, p *policy.Policy) error {
	_, err := tx.ExecContext(ctx, `
		INSERT INTO policy (`+policyColumns+`, newest_version)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
		p.Number, p.OfferNumber, p.ProductCode, p.Holder.FirstName, p.Holder.LastName, p.Holder.TaxID,
		p.Address.Country, p.Address.ZipCode, p.Address.City, p.Address.Street, p.AgentLogin,
		database.Instant(p.CreatedAt), string(p.Status), newest(p))
	if err != nil {
		return fmt.Errorf("add policy %s: %w", p.Number, err)
	}
	for _, version := range p.Versions {
		if err := insertVersion(ctx, tx, p.Number, version); err != nil {
			return err
		}
	}
	return nil
}
