package expression

import (
	"errors"
	"fmt"
	"slices"

	"github.com/govalues/decimal"

	"parley.internal/pkg/fault"
	"parley.internal/policy"
)

// maxRules bounds the base rules and the markups of a tariff.
const maxRules = 100

// compiler compiles the rules of a tariff and reports all invalid rules.
type compiler struct {
	product *policy.Product
	err     *fault.Error // describes the first invalid rule and points to all
}

// reject reports an invalid part of the tariff; where names the part for people.
func (c *compiler) reject(where, pointer, why string) {
	if c.err == nil {
		c.err = policy.ErrTariffInvalid.With(c.product.Code, where, why)
	}
	c.err.Fields = append(c.err.Fields, fault.Field{Pointer: pointer, Detail: why})
}

// bound rejects a list of too many rules.
func (c *compiler) bound(list string, rules int) {
	if rules > maxRules {
		c.reject("as a whole", "#/"+list, fmt.Sprintf("more than %d rules of a kind", maxRules))
	}
}

// rule is the position of a rule: for people, and in a JSON pointer.
type rule struct {
	name, list string
	index      int
}

func (c *compiler) rejectField(r rule, field string, err error) {
	c.reject(fmt.Sprintf("%s %d, %s", r.name, r.index+1, field), fmt.Sprintf("#/%s/%d/%s", r.list, r.index, field), err.Error())
}

func (c *compiler) baseRule(i int, base policy.BaseRule) baseRule {
	r := rule{"base rule", "base", i}
	if !slices.ContainsFunc(c.product.Covers, func(cover policy.Cover) bool { return cover.Code == base.Cover }) {
		c.reject(fmt.Sprintf("base rule %d", i+1), fmt.Sprintf("#/base/%d/cover", i), fmt.Sprintf("the product has no cover %.40q", base.Cover))
	}
	return baseRule{base.Cover, c.condition(r, base.When), c.amount(r, "premium", base.Premium, inMoney)}
}

func (c *compiler) markup(i int, m policy.Markup) markup {
	r := rule{"markup", "markups", i}
	return markup{c.condition(r, m.When), c.amount(r, "factor", m.Factor, unchanged)}
}

// condition compiles the condition of a rule. An empty condition always holds.
func (c *compiler) condition(r rule, source string) *node {
	if source == "" {
		return &node{kind: truth, literal: value{truth: true}}
	}
	n, err := parse(source, c.product.Questions, truth)
	if err != nil {
		c.rejectField(r, "when", err)
	}
	return n
}

// amount compiles a premium or a factor. A constant must be positive, as
// charged. Amounts that depend on answers are not checked here.
func (c *compiler) amount(r rule, field, source string, charged func(decimal.Decimal) (decimal.Decimal, error)) *node {
	n, err := parse(source, c.product.Questions, number)
	if err == nil && n.isConstant() {
		err = checkPositive(n, charged)
	}
	if err != nil {
		c.rejectField(r, field, err)
	}
	return n
}

func checkPositive(n *node, charged func(decimal.Decimal) (decimal.Decimal, error)) error {
	exact, err := n.eval(nil)
	if err != nil {
		return errors.New("has too many digits to be computed exactly")
	}
	amount, err := charged(exact.number)
	switch {
	case err != nil:
		return errors.New("is always too large an amount")
	case !amount.IsPos():
		return fmt.Errorf("is always %s, and must be more than 0", amount)
	}
	return nil
}

// inMoney returns a premium as charged.
func inMoney(premium decimal.Decimal) (decimal.Decimal, error) {
	amount, err := policy.RoundMoney(premium)
	return amount.Decimal(), err
}

func unchanged(factor decimal.Decimal) (decimal.Decimal, error) { return factor, nil }
