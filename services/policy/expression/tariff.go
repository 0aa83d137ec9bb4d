// Package expression prices products by the rules of their tariffs, which are
// texts such as `AREA * 1.25` and `TYP == "APT"`.
//
// It promises that no price is ever a float or silently rounded: numbers are
// decimals from the literal to the premium, and a result that would not be
// exact is refused. What compiles has known names and types and comes to an
// end: there are no loops, calls or divisions to be had.
package expression

import (
	"fmt"
	"slices"

	"github.com/govalues/decimal"

	"parley.internal/policy"
)

// Tariff is a compiled tariff. It is a policy.Pricer, safe for concurrent use.
type Tariff struct {
	base    []baseRule
	markups []markup
}

type baseRule struct {
	cover   string
	when    *condition
	premium *amount
}

type markup struct {
	when   *condition
	factor *amount
}

// Compile refuses, with policy.ErrTariffInvalid, a tariff that does not fit the
// product: a broken expression, a name that is no question's code, a cover that
// the product has not or that no rule prices, a premium or factor that is never
// positive because it names no question. The error points to all of them.
func Compile(product *policy.Product, tariff policy.Tariff) (*Tariff, error) {
	c := compilation{product: product, language: languageOf(product)}
	c.bound("base", len(tariff.Base))
	c.bound("markups", len(tariff.Markups))
	if c.refusal != nil {
		return nil, c.refusal
	}
	var compiled Tariff
	for i, rule := range tariff.Base {
		compiled.base = append(compiled.base, c.base(i, rule))
	}
	for i, rule := range tariff.Markups {
		at := place{"markup", "markups", i}
		compiled.markups = append(compiled.markups, markup{c.condition(at, rule.When), c.amount(at, "factor", rule.Factor, exactly)})
	}
	for _, cover := range product.Covers {
		if !slices.ContainsFunc(compiled.base, func(r baseRule) bool { return r.cover == cover.Code }) {
			c.refuse("as a whole", "#/base", "no rule prices cover "+cover.Code)
		}
	}
	if c.refusal != nil {
		return nil, c.refusal
	}
	return &compiled, nil
}

// Price prices the covers in the order given.
func (t *Tariff) Price(covers []string, values map[string]policy.Value) ([]policy.CoverPremium, error) {
	env := environment(values)
	exact := make([]decimal.Decimal, len(covers))
	for i, cover := range covers {
		var err error
		if exact[i], err = t.premium(cover, env); err != nil {
			return nil, err
		}
	}
	for _, markup := range t.markups {
		if err := markup.apply(exact, env); err != nil {
			return nil, err
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

// premium is the exact premium by the first rule that holds.
func (t *Tariff) premium(cover string, env map[string]any) (decimal.Decimal, error) {
	for _, rule := range t.base {
		if rule.cover != cover {
			continue
		}
		holds, err := rule.when.holds(env)
		if err != nil {
			return decimal.Decimal{}, fmt.Errorf("price cover %s: %w", cover, err)
		}
		if holds {
			return rule.premium.of(env)
		}
	}
	return decimal.Decimal{}, policy.ErrNotPriced.With(cover)
}

func (m *markup) apply(premiums []decimal.Decimal, env map[string]any) error {
	holds, err := m.when.holds(env)
	if err != nil || !holds {
		return err
	}
	factor, err := m.factor.of(env)
	if err != nil {
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
