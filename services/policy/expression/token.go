package expression

import (
	"fmt"
	"regexp"
	"unicode/utf8"
)

// tokenKind is the number of a group in pattern.
type tokenKind int

const (
	endToken tokenKind = iota
	numberToken
	textToken
	nameToken
	operatorToken
	otherToken
)

// pattern matches space or a token. Operators of other languages are tokens, to be
// named in errors.
var pattern = regexp.MustCompile(`\s+|([0-9](?:\w|\.\w)*)|("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|([\pL_$][\pL\pN_$]*)` +
	`|(&&|\|\||\*\*|\.\.|\?\?|[=!<>]=|[-+*/%<>!?:()])|(.)`)

// token is a word of an expression.
type token struct {
	kind tokenKind
	text string // as written
	at   int    // number of the first character, from 1; the end has the last character's
}

const (
	endText = "EOF"
	allowed = "only names, numbers, texts, comparisons, + - * and ?: are allowed"
)

// errorf returns an error with the token's position.
func (t token) errorf(format string, args ...any) error {
	return fmt.Errorf(format+", at character %d", append(args, t.at)...)
}

// scan splits an expression into tokens. The last token is the end.
func scan(source string) (tokens []token, err error) {
	at := 1
	for _, groups := range pattern.FindAllStringSubmatch(source, -1) {
		for kind, text := range groups {
			t := token{tokenKind(kind), text, at}
			switch {
			case kind == 0 || text == "":
				continue
			case t.kind == otherToken:
				return nil, t.errorf(allowed)
			case text == "/":
				return nil, t.errorf("division is not exact: multiply by a decimal fraction")
			case text == "**", text == "..", text == "??", text == "%":
				return nil, t.errorf("operator %s is not allowed", text)
			}
			tokens = append(tokens, t)
		}
		at += utf8.RuneCountInString(groups[0])
	}
	return append(tokens, token{endToken, endText, max(at-1, 1)}), nil
}
