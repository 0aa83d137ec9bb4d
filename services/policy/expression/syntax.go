package expression

import (
	"fmt"
	"slices"

	"github.com/expr-lang/expr/ast"

	"parley.internal/policy"
)

// guard refuses what expr knows and a tariff does not need: loops, calls,
// members, assignments. What is left ends after one visit of each node. It
// remembers the first thing that is not allowed.
type guard struct {
	language *language
	source   []rune
	named    bool // a question
	err      error
}

// Visit looks at one node, after its children.
func (g *guard) Visit(node *ast.Node) {
	if g.err != nil {
		return
	}
	if why := g.refuses(*node); why != "" {
		g.err = fmt.Errorf("%s, at character %d", why, (*node).Location().From+1)
	}
}

func (g *guard) refuses(node ast.Node) string {
	switch n := node.(type) {
	case *ast.BoolNode, *ast.StringNode, *ast.ConditionalNode:
		return ""
	case *ast.IntegerNode, *ast.FloatNode:
		if _, err := literal(g.source, n); err != nil {
			return err.Error()
		}
		return ""
	case *ast.IdentifierNode:
		if _, known := g.language.questions[n.Value]; !known {
			return fmt.Sprintf("unknown name %s", n.Value)
		}
		g.named = true
		return ""
	case *ast.UnaryNode:
		if n.Operator == "!" || n.Operator == "not" {
			return ""
		}
		return fmt.Sprintf("operator %s is not allowed before a value", n.Operator)
	case *ast.BinaryNode:
		return g.refusesOperator(n)
	default:
		return "only names, numbers, texts, comparisons, + - * and ?: are allowed"
	}
}

func (g *guard) refusesOperator(n *ast.BinaryNode) string {
	switch n.Operator {
	case "and", "&&", "or", "||", "+", "-", "*", "<", "<=", ">", ">=":
		return ""
	case "==", "!=":
		if why := g.refusesChoice(n.Left, n.Right); why != "" {
			return why
		}
		return g.refusesChoice(n.Right, n.Left)
	case "/":
		return "division is not exact: multiply by a decimal fraction"
	}
	return fmt.Sprintf("operator %s is not allowed", n.Operator)
}

// refusesChoice finds the misspelt choice that would never hold.
func (g *guard) refusesChoice(name, text ast.Node) string {
	identifier, isName := name.(*ast.IdentifierNode)
	value, isText := text.(*ast.StringNode)
	if !isName || !isText {
		return ""
	}
	question := g.language.questions[identifier.Value]
	if question.Type != policy.QuestionChoice ||
		slices.ContainsFunc(question.Choices, func(c policy.Choice) bool { return c.Code == value.Value }) {
		return ""
	}
	return fmt.Sprintf("%q is no choice of %s", value.Value, question.Code)
}

// patcher turns number literals into decimals, and operators between decimals
// into calls. It runs after the guard and before the checker.
type patcher struct {
	language *language
	source   []rune
}

// Visit changes one node, after its children.
func (p *patcher) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.IntegerNode, *ast.FloatNode:
		if number, err := literal(p.source, n); err == nil { // The guard has seen to it.
			ast.Patch(node, &ast.ConstantNode{Value: number.Decimal})
		}
	case *ast.BinaryNode:
		if function, ok := operators[n.Operator]; ok && p.isDecimal(n.Left) && p.isDecimal(n.Right) {
			ast.Patch(node, &ast.CallNode{
				Callee:    &ast.IdentifierNode{Value: function},
				Arguments: []ast.Node{n.Left, n.Right},
			})
		}
	}
}

func (p *patcher) isDecimal(node ast.Node) bool {
	switch n := node.(type) {
	case *ast.ConstantNode:
		return true // Only literals became constants.
	case *ast.IdentifierNode:
		return p.language.questions[n.Value].Type == policy.QuestionNumeric
	case *ast.ConditionalNode:
		return p.isDecimal(n.Exp1) && p.isDecimal(n.Exp2)
	case *ast.CallNode:
		function := n.Callee.(*ast.IdentifierNode).Value //nolint:forcetypeassert // Only operators became calls.
		return function == operators["*"] || function == operators["+"] || function == operators["-"]
	}
	return false
}

// literal reads a number from the text it was written as: what the parser made
// of it may be a float.
func literal(source []rune, node ast.Node) (policy.Number, error) {
	at := node.Location()
	return policy.ParseNumber(string(source[at.From:at.To]))
}
