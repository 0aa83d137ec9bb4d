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
		for _, p := range catalogue.Products {
			err := insertJSON(ctx, tx, `INSERT INTO product (code, status, definition) VALUES ($1, $2, $3)
				ON CONFLICT (code) DO NOTHING`, p, p.Code, string(p.Status))
			if err != nil {
				return fmt.Errorf("seed product %s: %w", p.Code, err)
			}
		}
		for _, t := range catalogue.Tariffs {
			err := insertJSON(ctx, tx, `INSERT INTO tariff (product_code, rules) VALUES ($1, $2)
				ON CONFLICT (product_code) DO NOTHING`, t, t.ProductCode)
			if err != nil {
				return fmt.Errorf("seed tariff of %s: %w", t.ProductCode, err)
			}
		}
		return nil
	})
}

// insertJSON executes a statement with the JSON of a value as the last argument.
func insertJSON(ctx context.Context, tx *database.Tx, query string, value any, args ...any) error {
	encoded, err := json.Marshal(value)
	if err == nil {
		_, err = tx.ExecContext(ctx, query, append(args, string(encoded))...)
	}
	return err
}

// Catalogue returns all products, drafts included, and their tariffs, in the
// order of their codes.
func (s *Store) Catalogue(ctx context.Context) (catalogue policy.Catalogue, err error) {
	err = s.db.InSnapshot(ctx, func(tx *database.Tx) error {
		catalogue.Products, err = database.All(ctx, tx, scanProduct, "SELECT definition, status FROM product ORDER BY code")
		if err != nil {
			return err
		}
		catalogue.Tariffs, err = database.All(ctx, tx, scanTariff, "SELECT rules, version FROM tariff ORDER BY product_code")
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
	events, err := activate(product)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "UPDATE product SET status = $1 WHERE code = $2", string(product.Status), code); err != nil {
		return fmt.Errorf("update product %s: %w", code, err)
	}
	tx.AfterCommit(tx.store.changed)
	return tx.store.outbox.Write(ctx, tx.Tx, code, events...)
}

func readProduct(ctx context.Context, q database.Querier, code, lock string) (*policy.Product, error) {
	products, err := database.All(ctx, q, scanProduct, "SELECT definition, status FROM product WHERE code = $1"+lock, code)
	if err != nil {
		return nil, fmt.Errorf("read product %s: %w", code, err)
	}
	if len(products) == 0 {
		return nil, policy.ErrProductUnknown
	}
	return &products[0], nil
}

func scanProduct(scan func(...any) error) (p policy.Product, err error) {
	err = scan(document(&p), &p.Status) // The definition has the status of the seed.
	return p, err
}
