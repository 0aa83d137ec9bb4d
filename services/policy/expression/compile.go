package expression

import (
	"cmp"
	"errors"
	"fmt"

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

// place is the position of a rule: for people, and in a JSON pointer.
type place struct {
	name, list string
	index      int
}

func (c *compiler) rejectField(at place, field string, err error) {
	c.reject(fmt.Sprintf("%s %d, %s", at.name, at.index+1, field), fmt.Sprintf("#/%s/%d/%s", at.list, at.index, field), err.Error())
}

// rule compiles a condition and an amount: a premium or a factor. An empty condition
// always holds. A constant amount must be positive, as charged; amounts that depend on
// answers are not checked here.
func (c *compiler) rule(
	at place, condition, field, amount string, charged func(decimal.Decimal) (decimal.Decimal, error),
) rule {
	when, err := parse(cmp.Or(condition, "true"), c.product.Questions, truth)
	if err != nil {
		c.rejectField(at, "when", err)
	}
	value, err := parse(amount, c.product.Questions, number)
	if err == nil && value.isConstant() {
		err = checkPositive(value, charged)
	}
	if err != nil {
		c.rejectField(at, field, err)
	}
	return rule{when: when, amount: value}
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
