package expression

import (
	"github.com/govalues/decimal"

	"parley.internal/policy"
)

// kind is the type of a value.
type kind string

// unknown is the kind of ?: with branches of different kinds. No operator takes
// unknown operands.
const (
	unknown kind = "a number or a text"
	number  kind = "a number"
	text    kind = "a text"
	truth   kind = "true or false"
)

// value is the result of an expression. The field of the node's kind is set.
type value struct {
	number decimal.Decimal
	text   string
	truth  bool
}

type answers = map[string]policy.Value

// node is a compiled expression: a question, a literal, or an operator and
// operands.
type node struct {
	kind     kind
	question *policy.Question
	literal  value
	operator string
	operands []*node
}

// operators take two operands of the same kind; unknown stands for any kind.
var operators = map[string]struct {
	precedence       int
	operands, result kind
}{
	"||": {1, truth, truth}, "or": {1, truth, truth},
	"&&": {2, truth, truth}, "and": {2, truth, truth},
	"==": {3, unknown, truth}, "!=": {3, unknown, truth},
	"<": {3, number, truth}, "<=": {3, number, truth}, ">": {3, number, truth}, ">=": {3, number, truth},
	"+": {4, number, number}, "-": {4, number, number}, "*": {5, number, number},
}

// isConstant reports whether the value is the same for all answers.
func (n *node) isConstant() bool {
	for _, operand := range n.operands {
		if !operand.isConstant() {
			return false
		}
	}
	return n.question == nil
}

// eval evaluates the operands from left to right, and only as far as needed.
func (n *node) eval(given answers) (value, error) {
	switch {
	case n.question != nil:
		answer := given[n.question.Code]
		return value{number: answer.Number.Decimal, text: answer.Text}, nil
	case n.operands == nil:
		return n.literal, nil
	}
	a, err := n.operands[0].eval(given)
	if err != nil {
		return value{}, err
	}
	switch n.operator {
	case "!", "not":
		return value{truth: !a.truth}, nil
	case "?":
		if a.truth {
			return n.operands[1].eval(given)
		}
		return n.operands[2].eval(given)
	case "&&", "and":
		if !a.truth {
			return a, nil
		}
	case "||", "or":
		if a.truth {
			return a, nil
		}
	}
	b, err := n.operands[1].eval(given)
	if err != nil {
		return value{}, err
	}
	return apply(n.operator, a, b)
}

// apply evaluates an operator with both operands.
func apply(operator string, a, b value) (v value, err error) {
	order := a.number.Cmp(b.number)
	equal := order == 0 && a.text == b.text && a.truth == b.truth
	switch operator {
	case "+":
		v.number, err = add(a.number, b.number)
	case "-":
		v.number, err = add(a.number, b.number.Neg())
	case "*":
		v.number, err = multiply(a.number, b.number)
	case "==":
		v.truth = equal
	case "!=":
		v.truth = !equal
	case "<":
		v.truth = order < 0
	case "<=":
		v.truth = order <= 0
	case ">":
		v.truth = order > 0
	case ">=":
		v.truth = order >= 0
	default: // and, or: the left operand has not decided
		v = b
	}
	return v, err
}

func multiply(a, b decimal.Decimal) (decimal.Decimal, error) {
	return exact(a.MulExact(b, a.Scale()+b.Scale()))
}

func add(a, b decimal.Decimal) (decimal.Decimal, error) {
	return exact(a.AddExact(b, max(a.Scale(), b.Scale())))
}

// exact returns policy.ErrInexact instead of the error of a rounded result.
func exact(result decimal.Decimal, err error) (decimal.Decimal, error) {
	if err != nil {
		return decimal.Decimal{}, policy.ErrInexact
	}
	return result, nil
}
