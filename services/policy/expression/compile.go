package expression

import (
	"errors"
	"fmt"
	"slices"

	"github.com/govalues/decimal"

	"parley.internal/pkg/fault"
	"parley.internal/policy"
)

// maxRules bounds the base rules of a tariff, and its markups.
const maxRules = 100

// compilation compiles the rules of one tariff, and goes on after a broken one to
// find them all.
type compilation struct {
	product  *policy.Product
	language *language
	refusal  *fault.Error // says the first thing that is wrong, and points to all
}

// place is a rule: for people, and as a step of a JSON pointer.
type place struct {
	words, list string
	index       int
}

func (p place) pointer(field string) string { return fmt.Sprintf("#/%s/%d/%s", p.list, p.index, field) }
func (p place) String() string              { return fmt.Sprintf("%s %d", p.words, p.index+1) }

func (c *compilation) refuse(where, pointer, why string) {
	field := fault.Field{Pointer: pointer, Detail: why}
	if c.refusal == nil {
		c.refusal = policy.ErrTariffInvalid.With(c.product.Code, where, why)
	}
	c.refusal.Fields = append(c.refusal.Fields, field)
}

func (c *compilation) bound(list string, rules int) {
	if rules > maxRules {
		c.refuse("as a whole", "#/"+list, fmt.Sprintf("more than %d rules of a kind", maxRules))
	}
}

func (c *compilation) base(i int, rule policy.BaseRule) baseRule {
	at := place{"base rule", "base", i}
	if !slices.ContainsFunc(c.product.Covers, func(cover policy.Cover) bool { return cover.Code == rule.Cover }) {
		c.refuse(at.String(), at.pointer("cover"), fmt.Sprintf("the product has no cover %.40q", rule.Cover))
	}
	return baseRule{rule.Cover, c.condition(at, rule.When), c.amount(at, "premium", rule.Premium, inMoney)}
}

func (c *compilation) condition(at place, text string) *condition {
	compiled, err := c.language.condition(text)
	if err != nil {
		c.refuse(at.String()+", when", at.pointer("when"), err.Error())
	}
	return compiled
}

// amount is what sells only if it is positive. What answers make of it is seen
// when there are answers.
func (c *compilation) amount(at place, field, text string, shown func(decimal.Decimal) (decimal.Decimal, error)) *amount {
	compiled, err := c.language.amount(text)
	if err == nil && compiled.constant {
		err = compiled.sells(shown)
	}
	if err != nil {
		c.refuse(at.String()+", "+field, at.pointer(field), err.Error())
	}
	return compiled
}

func (a *amount) sells(shown func(decimal.Decimal) (decimal.Decimal, error)) error {
	exact, err := a.of(nil)
	if err != nil {
		return errors.New("has too many digits to be computed exactly")
	}
	value, err := shown(exact)
	switch {
	case err != nil:
		return errors.New("is always too large an amount")
	case !value.IsPos():
		return fmt.Errorf("is always %s, and must be more than 0", value)
	}
	return nil
}

// inMoney is a premium as it is charged.
func inMoney(premium decimal.Decimal) (decimal.Decimal, error) {
	amount, err := policy.RoundMoney(premium)
	return amount.Decimal(), err
}

func exactly(factor decimal.Decimal) (decimal.Decimal, error) { return factor, nil }
