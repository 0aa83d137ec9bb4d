package expression

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"parley.internal/policy"
)

// maxLength bounds the characters of an expression, and so the depth of recursion
// and the time of compilation and evaluation.
const maxLength = 500

// parser parses an expression by recursive descent and checks types. Names are the
// codes of a product's questions.
type parser struct {
	questions []policy.Question
	tokens    []token // never empty; after an error only the end is left
	err       error   // the first error
}

// parse compiles an expression of the wanted kind.
func parse(source string, questions []policy.Question, want kind) (*node, error) {
	if utf8.RuneCountInString(source) > maxLength {
		return nil, fmt.Errorf("longer than %d characters", maxLength)
	}
	tokens, err := scan(source)
	if err != nil {
		return nil, err
	}
	p := parser{questions: questions, tokens: tokens}
	root := p.conditional()
	p.expect(endText)
	if p.err == nil && root.kind != want {
		p.err = fmt.Errorf("is not %s", want)
	}
	return root, p.err
}

// next takes the next token; the end is never taken away.
func (p *parser) next() token {
	t := p.tokens[0]
	p.tokens = p.tokens[min(1, len(p.tokens)-1):]
	return t
}

// expect takes the next token and fails unless the token is the given operator.
func (p *parser) expect(want string) {
	switch t := p.next(); {
	case t.kind != nameToken && t.text == want:
	case t.kind == nameToken:
		p.fail(t, "operator %s is not allowed", t.text)
	default:
		p.fail(t, "unexpected token %s", t.text)
	}
}

// fail records the first error and skips the other tokens.
func (p *parser) fail(t token, format string, args ...any) *node {
	if p.err == nil {
		p.err = t.errorf(format, args...)
	}
	p.tokens = p.tokens[len(p.tokens)-1:]
	return &node{}
}

// conditional parses `condition ? yes : no`, or an operation alone.
func (p *parser) conditional() *node {
	condition := p.operation(1)
	t := p.tokens[0]
	if t.text != "?" {
		return condition
	}
	p.next()
	yes := p.conditional()
	p.expect(":")
	no := p.conditional()
	if condition.kind != truth {
		return p.fail(t, "the condition before ? is not %s", truth)
	}
	n := &node{kind: yes.kind, operator: "?", operands: []*node{condition, yes, no}}
	if yes.kind != no.kind {
		n.kind = unknown
	}
	return n
}

// operation parses operands joined by operators of at least the given precedence,
// from left to right.
func (p *parser) operation(precedence int) *node {
	left := p.operand()
	for {
		t := p.tokens[0]
		operator, known := operators[t.text]
		if !known || operator.precedence < precedence {
			return left
		}
		p.next()
		right := p.operation(operator.precedence + 1)
		if left.kind != right.kind || left.kind == unknown || operator.operands != unknown && operator.operands != left.kind {
			return p.fail(t, "operator %s has mismatched types: %s and %s", t.text, left.kind, right.kind)
		}
		if operator.operands == unknown {
			p.checkChoice(t, left, right)
			p.checkChoice(t, right, left)
		}
		left = &node{kind: operator.result, operator: t.text, operands: []*node{left, right}}
	}
}

// checkChoice rejects a comparison with a misspelt choice: the result would never
// change.
func (p *parser) checkChoice(t token, name, choice *node) {
	q, isLiteral := name.question, choice.question == nil && choice.operands == nil
	if q != nil && q.Type == policy.QuestionChoice && isLiteral && !q.Offers(choice.literal.text) {
		p.fail(t, "%q is no choice of %s", choice.literal.text, q.Code)
	}
}

func (p *parser) operand() *node {
	switch t := p.next(); {
	case t.kind == numberToken:
		n, err := policy.ParseNumber(t.text)
		if err != nil {
			return p.fail(t, "%w", err)
		}
		return &node{kind: number, literal: value{number: n.Decimal}}
	case t.kind == textToken:
		content, err := unquote(t.text)
		if err != nil {
			return p.fail(t, "%s is not a valid text", t.text)
		}
		return &node{kind: text, literal: value{text: content}}
	case t.text == "true", t.text == "false":
		return &node{kind: truth, literal: value{truth: t.text == "true"}}
	case t.text == "(":
		inner := p.conditional()
		p.expect(")")
		return inner
	case t.text == "!", t.text == "not":
		inner := p.operand()
		if inner.kind != truth {
			return p.fail(t, "operator %s has a mismatched type: %s", t.text, inner.kind)
		}
		return &node{kind: truth, operator: t.text, operands: []*node{inner}}
	case t.text == "-", t.text == "+":
		return p.fail(t, "operator %s is not allowed before a value", t.text)
	case t.kind == nameToken && p.tokens[0].text != "(":
		return p.name(t)
	case t.kind == nameToken:
		return p.fail(t, allowed)
	default:
		return p.fail(t, "unexpected token %s", t.text)
	}
}

func (p *parser) name(t token) *node {
	i := slices.IndexFunc(p.questions, func(q policy.Question) bool { return q.Code == t.text })
	if i < 0 {
		return p.fail(t, "unknown name %s", t.text)
	}
	n := &node{kind: text, question: &p.questions[i]}
	if n.question.Type == policy.QuestionNumeric {
		n.kind = number
	}
	return n
}

// unquote returns the content of a text in double or single quotes.
func unquote(quoted string) (string, error) {
	var content strings.Builder
	for rest := quoted[1 : len(quoted)-1]; rest != ""; {
		r, _, tail, err := strconv.UnquoteChar(rest, quoted[0])
		if err != nil {
			return "", err
		}
		content.WriteRune(r)
		rest = tail
	}
	return content.String(), nil
}
