// Package expression prices products by the rules of their tariffs: short
// expressions like `AREA * 1.25` and `TYP == "APT"`.
//
// No price is ever a float or silently rounded: numbers are decimals from the
// literal to the premium, and an inexact result is an error. A compiled expression
// has known names and matching types, and evaluation ends: the language has no
// loops, calls or divisions.
package expression

import (
	"fmt"
	"slices"

	"github.com/govalues/decimal"

	"parley.internal/policy"
)

// pricer is a compiled tariff, a policy.Pricer.
type pricer struct {
	base    []baseRule
	markups []markup
}

type baseRule struct {
	cover         string
	when, premium *node
}

type markup struct{ when, factor *node }

// Compile compiles the tariff of a product; concurrent use of the result is safe. The error for an invalid expression,
// an unknown name or cover, a cover without a price, or a constant premium or
// factor of 0 or less is policy.ErrTariffInvalid. The error points to all invalid
// rules.
func Compile(product *policy.Product, tariff policy.Tariff) (policy.Pricer, error) {
	c := compiler{product: product}
	c.bound("base", len(tariff.Base))
	c.bound("markups", len(tariff.Markups))
	if c.err != nil {
		return nil, c.err
	}
	var compiled pricer
	for i, rule := range tariff.Base {
		compiled.base = append(compiled.base, c.baseRule(i, rule))
	}
	for i, rule := range tariff.Markups {
		compiled.markups = append(compiled.markups, c.markup(i, rule))
	}
	for _, cover := range product.Covers {
		if !slices.ContainsFunc(tariff.Base, func(r policy.BaseRule) bool { return r.Cover == cover.Code }) {
			c.reject("as a whole", "#/base", "no rule prices cover "+cover.Code)
		}
	}
	if c.err != nil {
		return nil, c.err
	}
	return &compiled, nil
}

// Price prices the covers in the order given.
func (t *pricer) Price(covers []string, given map[string]policy.Value) ([]policy.CoverPremium, error) {
	exact := make([]decimal.Decimal, len(covers))
	for i, cover := range covers {
		var err error
		if exact[i], err = t.premium(cover, given); err != nil {
			return nil, fmt.Errorf("price cover %s: %w", cover, err)
		}
	}
	for _, markup := range t.markups {
		if err := markup.apply(exact, given); err != nil {
			return nil, fmt.Errorf("apply markup: %w", err)
		}
	}
	premiums := make([]policy.CoverPremium, len(covers))
	for i, cover := range covers {
		premium, err := policy.RoundMoney(exact[i])
		if err != nil {
			return nil, fmt.Errorf("price cover %s: %w", cover, err)
		}
		premiums[i] = policy.CoverPremium{Code: cover, Premium: premium}
	}
	return premiums, nil
}

// premium returns the exact premium by the first rule whose condition holds.
func (t *pricer) premium(cover string, given answers) (decimal.Decimal, error) {
	for _, rule := range t.base {
		if rule.cover != cover {
			continue
		}
		when, err := rule.when.eval(given)
		if err != nil {
			return decimal.Decimal{}, err
		}
		if when.truth {
			premium, err := rule.premium.eval(given)
			return premium.number, err
		}
	}
	return decimal.Decimal{}, policy.ErrNotPriced.With(cover)
}

// apply multiplies the premiums and rounds each to two digits, half to even.
func (m *markup) apply(premiums []decimal.Decimal, given answers) error {
	when, err := m.when.eval(given)
	if err != nil || !when.truth {
		return err
	}
	factor, err := m.factor.eval(given)
	if err != nil {
		return err
	}
	for i, premium := range premiums {
		product, err := multiply(premium, factor.number)
		if err != nil {
			return err
		}
		premiums[i] = product.Round(2)
	}
	return nil
}
