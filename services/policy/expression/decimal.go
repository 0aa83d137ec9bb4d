package expression

import (
	"reflect"

	"github.com/expr-lang/expr"
	"github.com/govalues/decimal"

	"parley.internal/policy"
)

var decimalType = reflect.TypeFor[decimal.Decimal]()

// multiply refuses a product that would have to be rounded.
func multiply(a, b decimal.Decimal) (decimal.Decimal, error) {
	product, err := a.MulExact(b, a.Scale()+b.Scale())
	if err != nil {
		return decimal.Decimal{}, policy.ErrInexact
	}
	return product, nil
}

func add(a, b decimal.Decimal) (decimal.Decimal, error) {
	sum, err := a.AddExact(b, max(a.Scale(), b.Scale()))
	if err != nil {
		return decimal.Decimal{}, policy.ErrInexact
	}
	return sum, nil
}

func subtract(a, b decimal.Decimal) (decimal.Decimal, error) { return add(a, b.Neg()) }

// operators are the functions that stand for operators between decimals. The
// names cannot be written in an expression: calls are refused.
var operators = map[string]string{
	"*": "multiply", "+": "add", "-": "subtract",
	"==": "equal", "!=": "different", "<": "less", "<=": "atMost", ">": "more", ">=": "atLeast",
}

func decimalFunctions() []expr.Option {
	compute := func(name string, fn func(a, b decimal.Decimal) (decimal.Decimal, error)) expr.Option {
		return expr.Function(name, func(params ...any) (any, error) {
			a, b := operands(params)
			return fn(a, b)
		}, new(func(a, b decimal.Decimal) decimal.Decimal))
	}
	compare := func(name string, fn func(order int) bool) expr.Option {
		return expr.Function(name, func(params ...any) (any, error) {
			a, b := operands(params)
			return fn(a.Cmp(b)), nil
		}, new(func(a, b decimal.Decimal) bool))
	}
	return []expr.Option{
		compute("multiply", multiply), compute("add", add), compute("subtract", subtract),
		compare("equal", func(order int) bool { return order == 0 }),
		compare("different", func(order int) bool { return order != 0 }),
		compare("less", func(order int) bool { return order < 0 }),
		compare("atMost", func(order int) bool { return order <= 0 }),
		compare("more", func(order int) bool { return order > 0 }),
		compare("atLeast", func(order int) bool { return order >= 0 }),
	}
}

// operands are decimals: the types were checked when the expression was compiled.
func operands(params []any) (a, b decimal.Decimal) {
	return params[0].(decimal.Decimal), params[1].(decimal.Decimal) //nolint:forcetypeassert // Said above.
}
