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
	base    map[string][]rule // by cover
	markups []rule
}

// rule is a compiled base rule or markup.
type rule struct{ when, amount *node }

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
	compiled := pricer{base: make(map[string][]rule)}
	for i, base := range tariff.Base {
		if !slices.ContainsFunc(product.Covers, func(cover policy.Cover) bool { return cover.Code == base.Cover }) {
			c.reject(fmt.Sprintf("base rule %d", i+1), fmt.Sprintf("#/base/%d/cover", i), fmt.Sprintf("the product has no cover %.40q", base.Cover))
		}
		r := c.rule(place{"base rule", "base", i}, base.When, "premium", base.Premium, inMoney)
		compiled.base[base.Cover] = append(compiled.base[base.Cover], r)
	}
	for i, markup := range tariff.Markups {
		r := c.rule(place{"markup", "markups", i}, markup.When, "factor", markup.Factor, unchanged)
		compiled.markups = append(compiled.markups, r)
	}
	for _, cover := range product.Covers {
		if compiled.base[cover.Code] == nil {
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
	amounts := make([]decimal.Decimal, len(covers))
	for i, cover := range covers {
		var err error
		if amounts[i], err = t.premium(cover, given); err != nil {
			return nil, fmt.Errorf("price cover %s: %w", cover, err)
		}
	}
	for _, markup := range t.markups {
		if err := markup.multiply(amounts, given); err != nil {
			return nil, fmt.Errorf("apply markup: %w", err)
		}
	}
	premiums := make([]policy.CoverPremium, len(covers))
	for i, cover := range covers {
		premium, err := policy.RoundMoney(amounts[i])
		if err != nil {
			return nil, fmt.Errorf("price cover %s: %w", cover, err)
		}
		premiums[i] = policy.CoverPremium{Code: cover, Premium: premium}
	}
	return premiums, nil
}

// premium returns the exact premium by the first rule whose condition holds.
func (t *pricer) premium(cover string, given answers) (decimal.Decimal, error) {
	for _, rule := range t.base[cover] {
		if premium, holds, err := rule.eval(given); holds || err != nil {
			return premium, err
		}
	}
	return decimal.Decimal{}, policy.ErrNotPriced.With(cover)
}

// multiply multiplies the premiums and rounds each to two digits, half to even, if
// the condition holds.
func (r rule) multiply(premiums []decimal.Decimal, given answers) error {
	factor, holds, err := r.eval(given)
	if err != nil || !holds {
		return err
	}
	for i, premium := range premiums {
		product, err := multiply(premium, factor)
		if err != nil {
			return err
		}
		premiums[i] = product.Round(2)
	}
	return nil
}

// eval returns the amount, or false if the condition does not hold.
func (r rule) eval(given answers) (amount decimal.Decimal, holds bool, err error) {
	when, err := r.when.eval(given)
	if err != nil || !when.truth {
		return decimal.Decimal{}, false, err
	}
	v, err := r.amount.eval(given)
	return v.number, true, err
}
