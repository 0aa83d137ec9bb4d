package store

import (
	"context"
	"encoding/json"
	"fmt"

	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
	"parley.internal/policy"
)

// Tariff returns the current tariff of a product, also of a draft.
func (s *Store) Tariff(ctx context.Context, productCode string) (policy.Tariff, error) {
	return readTariff(ctx, s.db.Reader(), productCode, "")
}

// ChangeTariff implements policy.Tx. Concurrent changes are serialized: the second
// finds the version of the first.
func (tx *transaction) ChangeTariff(
	ctx context.Context, productCode string, change func(*policy.Product, *policy.Tariff) ([]event.Event, error),
) error {
	tariff, err := readTariff(ctx, tx, productCode, tx.lock())
	if err != nil {
		return err
	}
	product, err := readProduct(ctx, tx, productCode, "")
	if err != nil {
		return err
	}
	events, err := change(product, &tariff)
	if err != nil {
		return err
	}
	rules, err := json.Marshal(tariff)
	if err != nil {
		return fmt.Errorf("encode tariff of %s: %w", productCode, err)
	}
	_, err = tx.ExecContext(ctx, "UPDATE tariff SET version = $1, rules = $2 WHERE product_code = $3",
		tariff.Version, string(rules), productCode)
	if err != nil {
		return fmt.Errorf("update tariff of %s: %w", productCode, err)
	}
	tx.AfterCommit(tx.store.changed)
	return tx.store.outbox.Write(ctx, tx.Tx, productCode, events...)
}

func readTariff(ctx context.Context, q database.Querier, productCode, lock string) (policy.Tariff, error) {
	tariffs, err := database.All(ctx, q, scanTariff,
		"SELECT rules, version FROM tariff WHERE product_code = $1"+lock, productCode)
	if err != nil {
		return policy.Tariff{}, fmt.Errorf("read tariff of %s: %w", productCode, err)
	}
	if len(tariffs) == 0 {
		return policy.Tariff{}, policy.ErrProductUnknown
	}
	return tariffs[0], nil
}

func scanTariff(scan func(...any) error) (t policy.Tariff, err error) {
	err = scan(document(&t), &t.Version)
	if t.Markups == nil {
		t.Markups = []policy.Markup{} // The contract requires a list.
	}
	return t, err
}
