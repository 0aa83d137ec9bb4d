package store

import (
	"context"
	"encoding/json"
	"fmt"

	"parley.internal/pkg/database"
	"parley.internal/policy"
)

// Seed adds the products of a catalogue that the database does not have, with
// their tariffs. Those it has are left as they are.
func (s *Store) Seed(ctx context.Context, catalogue policy.Catalogue) error {
	return s.db.InTx(ctx, func(ctx context.Context, tx *database.Tx) error {
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

// Products lists at most limit products whose codes follow after, in the order
// of their codes; drafts only for those who see all.
func (s *Store) Products(ctx context.Context, viewer policy.Viewer, after string, limit int) ([]policy.Product, error) {
	products, err := database.All(ctx, s.db.Query(ctx), scanProduct, `
		SELECT status, definition FROM product
		WHERE code > $1 AND (status <> $2 OR $3)
		ORDER BY code LIMIT $4`,
		after, string(policy.ProductDraft), viewer.SeesAll, limit)
	if err != nil {
		return nil, fmt.Errorf("list products: %w", err)
	}
	return products, nil
}

// Product is one product, a draft only for those who see all.
func (s *Store) Product(ctx context.Context, viewer policy.Viewer, code string) (*policy.Product, error) {
	products, err := database.All(ctx, s.db.Query(ctx), scanProduct, `
		SELECT status, definition FROM product
		WHERE code = $1 AND (status <> $2 OR $3)`,
		code, string(policy.ProductDraft), viewer.SeesAll)
	if err != nil {
		return nil, fmt.Errorf("read product %s: %w", code, err)
	}
	if len(products) == 0 {
		return nil, policy.ErrProductUnknown
	}
	return &products[0], nil
}

func scanProduct(scan func(...any) error) (policy.Product, error) {
	var status, definition string
	if err := scan(&status, &definition); err != nil {
		return policy.Product{}, err
	}
	return decodeProduct(status, definition)
}

func decodeProduct(status, definition string) (policy.Product, error) {
	var product policy.Product
	if err := json.Unmarshal([]byte(definition), &product); err != nil {
		return policy.Product{}, fmt.Errorf("decode product: %w", err)
	}
	product.Status = policy.ProductStatus(status)
	return product, nil
}
