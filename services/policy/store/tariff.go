package store

import (
	"context"
	"encoding/json"
	"fmt"

	"parley.internal/pkg/database"
	"parley.internal/policy"
)

// compiled is a tariff with the texts it was made from. There is at most one
// for each product, and it is used only while the texts are still the same.
type compiled struct {
	status, definition, rules string

	product *policy.Product
	pricer  policy.Pricer
}

// Tariff is a product, drafts too, and its tariff, compiled when it is first
// needed and again when it was changed.
func (s *Store) Tariff(ctx context.Context, productCode string) (*policy.Product, policy.Pricer, error) {
	var stored compiled
	found, err := database.One(ctx, s.db.Query(ctx), `
		SELECT product.status, product.definition, tariff.rules
		FROM product JOIN tariff ON tariff.product_code = product.code
		WHERE product.code = $1`,
		[]any{productCode}, &stored.status, &stored.definition, &stored.rules)
	if err != nil {
		return nil, nil, fmt.Errorf("read tariff of %s: %w", productCode, err)
	}
	if !found {
		return nil, nil, policy.ErrProductUnknown
	}
	current, err := s.current(productCode, stored)
	if err != nil {
		return nil, nil, fmt.Errorf("compile tariff of %s: %w", productCode, err)
	}
	return current.product, current.pricer, nil
}

func (s *Store) current(productCode string, stored compiled) (compiled, error) {
	s.mu.Lock()
	have, ok := s.compiled[productCode]
	s.mu.Unlock()
	if ok && have.status == stored.status && have.definition == stored.definition && have.rules == stored.rules {
		return have, nil
	}
	product, err := decodeProduct(stored.status, stored.definition)
	if err != nil {
		return compiled{}, err
	}
	var tariff policy.Tariff
	if err := json.Unmarshal([]byte(stored.rules), &tariff); err != nil {
		return compiled{}, fmt.Errorf("decode tariff: %w", err)
	}
	stored.product = &product
	// What the database holds was accepted once: a caller can do nothing about it.
	if stored.pricer, err = s.compile(&product, tariff); err != nil {
		return compiled{}, fmt.Errorf("%v", err) //nolint:errorlint // Not the caller's fault.
	}
	s.mu.Lock()
	s.compiled[productCode] = stored
	s.mu.Unlock()
	return stored, nil
}
