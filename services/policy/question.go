package policy

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"parley.internal/pkg/fault"
)

// Question is what a tariff must know to price a product.
type Question struct {
	Index   int          `json:"index"`
	Code    string       `json:"questionCode"`
	Type    QuestionType `json:"questionType"`
	Text    string       `json:"text"`
	Choices []Choice     `json:"choices,omitempty"` // of a Choice
	Minimum *Number      `json:"minimum,omitempty"` // of a Numeric; both bounds are answers too
	Maximum *Number      `json:"maximum,omitempty"`
	Integer bool         `json:"integer,omitempty"` // of a Numeric: whole numbers only
}

// QuestionType says what an answer looks like.
type QuestionType string

// A Text and a Choice are answered by a string, a Numeric by a number.
const (
	QuestionText    QuestionType = "Text"
	QuestionNumeric QuestionType = "Numeric"
	QuestionChoice  QuestionType = "Choice"
)

// Choice is one answer that a question of type Choice takes.
type Choice struct {
	Code  string `json:"code"`
	Label string `json:"label"`
}

// Answer is what an agent answers to a question. QuestionType repeats what the
// agent was asked, so that a form older than the product is noticed.
type Answer struct {
	QuestionCode string          `json:"questionCode"`
	QuestionType QuestionType    `json:"questionType"`
	Answer       json.RawMessage `json:"answer"`
}

// Value is an answer that was found good: Number if it is Numeric, else Text.
type Value struct {
	Numeric bool
	Text    string
	Number  Number
}

// What is wrong with an answer, or with the set of them.
var (
	ErrAnswerMissing  = fault.New(fault.Invalid, "answer-missing", "Question %s is not answered.")
	ErrAnswerRepeated = fault.New(fault.Invalid, "answer-repeated", "Question %s is answered more than once.")
	ErrAnswerUnknown  = fault.New(fault.Invalid, "answer-unknown", "Product %s has no question %s.")
	ErrAnswerType     = fault.New(fault.Invalid, "answer-type", "Question %s is of type %s, not %s.")
	ErrAnswerInvalid  = fault.New(fault.Invalid, "answer-invalid", "The answer to question %s must be %s.")
)

// answered checks that each question is answered once and well.
func (p *Product) answered(answers []Answer) (map[string]Value, error) {
	values := make(map[string]Value, len(p.Questions))
	for i, answer := range answers {
		value, err := p.read(answer)
		if _, twice := values[answer.QuestionCode]; twice {
			err = ErrAnswerRepeated.With(answer.QuestionCode)
		}
		if err != nil {
			return nil, at(fmt.Sprintf("#/answers/%d", i), err)
		}
		values[answer.QuestionCode] = value
	}
	for _, question := range p.Questions {
		if _, ok := values[question.Code]; !ok {
			return nil, at("#/answers", ErrAnswerMissing.With(question.Code))
		}
	}
	return values, nil
}

func (p *Product) read(answer Answer) (Value, error) {
	i := slices.IndexFunc(p.Questions, func(q Question) bool { return q.Code == answer.QuestionCode })
	if i < 0 {
		return Value{}, ErrAnswerUnknown.With(p.Code, quoted(answer.QuestionCode))
	}
	return p.Questions[i].read(answer)
}

func (q *Question) read(answer Answer) (Value, error) {
	if answer.QuestionType != q.Type {
		return Value{}, ErrAnswerType.With(q.Code, q.Type, quoted(string(answer.QuestionType)))
	}
	if q.Type == QuestionNumeric {
		number, err := ParseNumber(string(answer.Answer))
		if err != nil || !q.allows(number) {
			return Value{}, ErrAnswerInvalid.With(q.Code, q.wanted())
		}
		return Value{Numeric: true, Number: number}, nil
	}
	var text *string // null is no answer
	if err := json.Unmarshal(answer.Answer, &text); err != nil || text == nil {
		return Value{}, ErrAnswerInvalid.With(q.Code, q.wanted())
	}
	if q.Type == QuestionChoice {
		if !q.Offers(*text) {
			return Value{}, ErrAnswerInvalid.With(q.Code, q.wanted())
		}
		return Value{Text: *text}, nil
	}
	clean, err := cleaned("The answer to question "+q.Code, *text)
	return Value{Text: clean}, err
}

// Offers reports whether a code is one of the question's choices.
func (q *Question) Offers(code string) bool {
	return slices.ContainsFunc(q.Choices, func(c Choice) bool { return c.Code == code })
}

func (q *Question) allows(n Number) bool {
	return (q.Minimum == nil || n.Cmp(q.Minimum.Decimal) >= 0) &&
		(q.Maximum == nil || n.Cmp(q.Maximum.Decimal) <= 0) &&
		(!q.Integer || n.IsInt())
}

// wanted says in words what a good answer is.
func (q *Question) wanted() string {
	switch q.Type {
	case QuestionText:
		return "a text"
	case QuestionChoice:
		codes := make([]string, len(q.Choices))
		for i, choice := range q.Choices {
			codes[i] = choice.Code
		}
		return "one of " + strings.Join(codes, ", ")
	case QuestionNumeric:
	}
	words := "a number"
	if q.Integer {
		words = "a whole number"
	}
	if q.Minimum != nil {
		words += ", at least " + q.Minimum.String()
	}
	if q.Maximum != nil {
		words += ", at most " + q.Maximum.String()
	}
	return words + ", written with at most 12 digits and without an exponent"
}
