package store

import (
	"context"
	"encoding/json"
	"fmt"

	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
	"parley.internal/policy"
)

// Tariff is a product's tariff as it is now, a draft's too.
func (s *Store) Tariff(ctx context.Context, productCode string) (policy.Tariff, error) {
	return tariff(ctx, s.db.Reader(), productCode, "")
}

// ChangeTariff stores what change did to the tariff of a product, and what it
// says happened. Two at once are one after the other: the second finds the
// version of the first.
func (s *Store) ChangeTariff(
	ctx context.Context, tx *database.Tx, productCode string, change func(*policy.Product, *policy.Tariff) ([]event.Event, error),
) error {
	return s.in(ctx, tx, func(tx *database.Tx) error {
		current, err := tariff(ctx, tx, productCode, s.db.Dialect.ForUpdate())
		if err != nil {
			return err
		}
		product, err := s.product(ctx, tx, productCode, "")
		if err != nil {
			return err
		}
		seen := current.Version
		events, err := change(product, &current)
		if err != nil {
			return err
		}
		rules, err := json.Marshal(current)
		if err != nil {
			return fmt.Errorf("change tariff of %s: %w", productCode, err)
		}
		// The lock makes this sure; the condition makes it sure without the lock.
		changed, err := database.Affected(tx.ExecContext(ctx,
			"UPDATE tariff SET version = $1, rules = $2 WHERE product_code = $3 AND version = $4",
			current.Version, string(rules), productCode, seen))
		if err != nil {
			return fmt.Errorf("change tariff of %s: %w", productCode, err)
		}
		if changed != 1 {
			return policy.ErrTariffConflict.With(productCode, current.Version)
		}
		tx.AfterCommit(s.changed)
		return s.outbox.Write(ctx, tx, productCode, events...)
	})
}

func tariff(ctx context.Context, q database.Querier, productCode, lock string) (policy.Tariff, error) {
	tariffs, err := database.All(ctx, q, scanTariff,
		"SELECT version, rules FROM tariff WHERE product_code = $1"+lock, productCode)
	if err != nil {
		return policy.Tariff{}, fmt.Errorf("read tariff of %s: %w", productCode, err)
	}
	if len(tariffs) == 0 {
		return policy.Tariff{}, policy.ErrProductUnknown
	}
	return tariffs[0], nil
}

func scanTariff(scan func(...any) error) (policy.Tariff, error) {
	var tariff policy.Tariff
	var version int
	var rules string
	if err := scan(&version, &rules); err != nil {
		return policy.Tariff{}, err
	}
	if err := json.Unmarshal([]byte(rules), &tariff); err != nil {
		return policy.Tariff{}, fmt.Errorf("decode tariff: %w", err)
	}
	tariff.Version = version
	if tariff.Markups == nil {
		tariff.Markups = []policy.Markup{} // The contract has a list.
	}
	return tariff, nil
}
