package store

import (
	"context"
	"encoding/json"
	"fmt"

	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
	"parley.internal/policy"
)

// Seed adds missing products and tariffs of a catalogue. Existing products and
// tariffs stay unchanged.
func (s *Store) Seed(ctx context.Context, catalogue policy.Catalogue) error {
	return s.db.InTx(ctx, func(tx *database.Tx) error {
		for _, product := range catalogue.Products {
			definition, err := json.Marshal(product)
			if err != nil {
				return fmt.Errorf("seed product %s: %w", product.Code, err)
			}
			_, err = tx.ExecContext(ctx, `
				INSERT INTO product (code, status, definition) VALUES ($1, $2, $3)
				ON CONFLICT (code) DO NOTHING`,
				product.Code, string(product.Status), string(definition))
			if err != nil {
				return fmt.Errorf("seed product %s: %w", product.Code, err)
			}
		}
		for _, tariff := range catalogue.Tariffs {
			rules, err := json.Marshal(tariff)
			if err != nil {
				return fmt.Errorf("seed tariff of %s: %w", tariff.ProductCode, err)
			}
			_, err = tx.ExecContext(ctx, `
				INSERT INTO tariff (product_code, rules) VALUES ($1, $2)
				ON CONFLICT (product_code) DO NOTHING`,
				tariff.ProductCode, string(rules))
			if err != nil {
				return fmt.Errorf("seed tariff of %s: %w", tariff.ProductCode, err)
			}
		}
		return nil
	})
}

// Catalogue returns all products, drafts included, and their tariffs, in the
// order of their codes.
func (s *Store) Catalogue(ctx context.Context) (catalogue policy.Catalogue, err error) {
	err = s.db.InSnapshot(ctx, func(tx *database.Tx) error {
		catalogue.Products, err = database.All(ctx, tx, scanProduct, "SELECT status, definition FROM product ORDER BY code")
		if err != nil {
			return err
		}
		catalogue.Tariffs, err = database.All(ctx, tx, scanTariff, "SELECT version, rules FROM tariff ORDER BY product_code")
		return err
	})
	if err != nil {
		return policy.Catalogue{}, fmt.Errorf("read catalogue: %w", err)
	}
	return catalogue, nil
}

// Activate implements policy.Tx. Concurrent activations are serialized.
func (tx *transaction) Activate(
	ctx context.Context, code string, activate func(*policy.Product) ([]event.Event, error),
) error {
	product, err := readProduct(ctx, tx, code, tx.lock())
	if err != nil {
		return err
	}
	before := product.Status
	events, err := activate(product)
	if err != nil {
		return err
	}
	err = tx.update(ctx, policy.ErrProductActive.With(code),
		"UPDATE product SET status = $1 WHERE code = $2 AND status = $3", string(product.Status), code, string(before))
	if err != nil {
		return fmt.Errorf("update product %s: %w", code, err)
	}
	tx.AfterCommit(tx.store.changed)
	return tx.store.outbox.Write(ctx, tx.Tx, code, events...)
}

func readProduct(ctx context.Context, q database.Querier, code, lock string) (*policy.Product, error) {
	products, err := database.All(ctx, q, scanProduct, "SELECT status, definition FROM product WHERE code = $1"+lock, code)
	if err != nil {
		return nil, fmt.Errorf("read product %s: %w", code, err)
	}
	if len(products) == 0 {
		return nil, policy.ErrProductUnknown
	}
	return &products[0], nil
}

func scanProduct(scan func(...any) error) (policy.Product, error) {
	var product policy.Product
	var status, definition string
	if err := scan(&status, &definition); err != nil {
		return policy.Product{}, err
	}
	if err := json.Unmarshal([]byte(definition), &product); err != nil {
		return policy.Product{}, fmt.Errorf("decode product: %w", err)
	}
	product.Status = policy.ProductStatus(status)
	return product, nil
}
