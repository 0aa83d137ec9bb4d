package expression

import (
	"errors"
	"fmt"
	"reflect"
	"unicode/utf8"

	"github.com/expr-lang/expr"
	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/checker"
	"github.com/expr-lang/expr/compiler"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/vm"
	"github.com/govalues/decimal"

	"parley.internal/policy"
)

// maxLength is how many characters an expression may have. It bounds the time to
// compile and to run it.
const maxLength = 500

// language is what the expressions of one product may say: the codes of its
// questions are variables, decimals for numbers and strings for the rest.
type language struct {
	questions map[string]policy.Question
	config    *conf.Config
}

func languageOf(product *policy.Product) *language {
	l := &language{questions: make(map[string]policy.Question)}
	values := make(map[string]policy.Value)
	for _, question := range product.Questions {
		l.questions[question.Code] = question
		values[question.Code] = policy.Value{Numeric: question.Type == policy.QuestionNumeric}
	}
	l.config = conf.New(environment(values))
	clear(l.config.Builtins)
	for _, function := range decimalFunctions() {
		function(l.config)
	}
	return l
}

// environment is the variables of an expression with their values.
func environment(values map[string]policy.Value) map[string]any {
	env := make(map[string]any, len(values))
	for code, value := range values {
		if value.Numeric {
			env[code] = value.Number.Decimal
		} else {
			env[code] = value.Text
		}
	}
	return env
}

// condition is an expression that holds or does not. A nil condition holds.
type condition struct{ program *vm.Program }

func (l *language) condition(text string) (*condition, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // A nil condition is one that holds.
	}
	program, _, err := l.compile(text, reflect.TypeFor[bool](), "true or false")
	if err != nil {
		return nil, err
	}
	return &condition{program}, nil
}

func (c *condition) holds(env map[string]any) (bool, error) {
	if c == nil {
		return true, nil
	}
	return run[bool](c.program, env)
}

// amount is an expression that is a number, the same for all answers if it
// names no question.
type amount struct {
	program  *vm.Program
	constant bool
}

func (l *language) amount(text string) (*amount, error) {
	program, constant, err := l.compile(text, decimalType, "a number")
	if err != nil {
		return nil, err
	}
	return &amount{program, constant}, nil
}

func (a *amount) of(env map[string]any) (decimal.Decimal, error) {
	return run[decimal.Decimal](a.program, env)
}

func (l *language) compile(text string, want reflect.Type, words string) (program *vm.Program, constant bool, err error) {
	if utf8.RuneCountInString(text) > maxLength {
		return nil, false, fmt.Errorf("longer than %d characters", maxLength)
	}
	tree, err := parser.ParseWithConfig(text, l.config)
	if err != nil {
		return nil, false, short(err)
	}
	g := &guard{language: l, source: []rune(text)}
	ast.Walk(&tree.Node, g)
	if g.err != nil {
		return nil, false, g.err
	}
	ast.Walk(&tree.Node, &patcher{language: l, source: []rune(text)})
	// Not expr.Compile: its checker runs several times, and does not look again
	// into a call whose type it once found, whatever was wrong inside.
	got, err := checker.Check(tree, l.config)
	if err != nil {
		return nil, false, short(err)
	}
	if got != want {
		return nil, false, fmt.Errorf("is not %s", words)
	}
	program, err = compiler.Compile(tree, l.config)
	if err != nil {
		return nil, false, short(err)
	}
	return program, !g.named, nil
}

// run is a program's result. Its type was checked when it was compiled.
func run[T any](program *vm.Program, env map[string]any) (T, error) {
	result, err := expr.Run(program, env)
	if err != nil {
		var none T
		return none, fmt.Errorf("evaluate %q: %w", program.Source().String(), short(err))
	}
	return result.(T), nil //nolint:forcetypeassert // Said above.
}

// short is what a function of ours returned, else err on one line: expr draws
// the expression below it.
func short(err error) error {
	if e, ok := errors.AsType[*file.Error](err); ok {
		if e.Prev != nil {
			return e.Prev
		}
		return fmt.Errorf("%s, at character %d", e.Message, e.From+1)
	}
	return err
}
