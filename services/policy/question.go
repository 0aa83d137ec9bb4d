package policy

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"parley.internal/pkg/fault"
)

// Question asks for a value that the tariff needs to price a product.
type Question struct {
	Index   int          `json:"index"`
	Code    string       `json:"questionCode"`
	Type    QuestionType `json:"questionType"`
	Text    string       `json:"text"`
	Choices []Choice     `json:"choices,omitempty"` // of type Choice
	Minimum *Number      `json:"minimum,omitempty"` // of type Numeric, inclusive like Maximum
	Maximum *Number      `json:"maximum,omitempty"`
	Integer bool         `json:"integer,omitempty"` // of type Numeric: whole numbers only
}

// QuestionType is the type of an answer.
type QuestionType string

// The answer to a Text or a Choice is a string, to a Numeric a number.
const (
	QuestionText    QuestionType = "Text"
	QuestionNumeric QuestionType = "Numeric"
	QuestionChoice  QuestionType = "Choice"
)

// Choice is a possible answer to a question of type Choice.
type Choice struct {
	Code  string `json:"code"`
	Label string `json:"label"`
}

// Answer is an agent's answer to a question. QuestionType repeats the type in the
// agent's form: it differs if the form is older than the product.
type Answer struct {
	QuestionCode string          `json:"questionCode"`
	QuestionType QuestionType    `json:"questionType"`
	Answer       json.RawMessage `json:"answer"`
}

// Value is a valid answer: Number if Numeric, else Text.
type Value struct {
	Numeric bool
	Text    string
	Number  Number
}

// The errors of answers.
var (
	ErrAnswerMissing  = fault.New(fault.Invalid, "answer-missing", "Question %s is not answered.")
	ErrAnswerRepeated = fault.New(fault.Invalid, "answer-repeated", "Question %s is answered more than once.")
	ErrAnswerUnknown  = fault.New(fault.Invalid, "answer-unknown", "Product %s has no question %s.")
	ErrAnswerType     = fault.New(fault.Invalid, "answer-type", "Question %s is of type %s, not %s.")
	ErrAnswerInvalid  = fault.New(fault.Invalid, "answer-invalid", "The answer to question %s must be %s.")
)

// readAnswers returns the valid answers by question. It checks that each question
// is answered once.
func (p *Product) readAnswers(answers []Answer) (map[string]Value, error) {
	values := make(map[string]Value, len(p.Questions))
	for i, answer := range answers {
		value, err := p.readAnswer(answer)
		if _, twice := values[answer.QuestionCode]; twice {
			err = ErrAnswerRepeated.With(answer.QuestionCode)
		}
		if err != nil {
			return nil, pointTo(fmt.Sprintf("#/answers/%d", i), err)
		}
		values[answer.QuestionCode] = value
	}
	for _, question := range p.Questions {
		if _, ok := values[question.Code]; !ok {
			return nil, pointTo("#/answers", ErrAnswerMissing.With(question.Code))
		}
	}
	return values, nil
}

func (p *Product) readAnswer(answer Answer) (Value, error) {
	i := slices.IndexFunc(p.Questions, func(q Question) bool { return q.Code == answer.QuestionCode })
	if i < 0 {
		return Value{}, ErrAnswerUnknown.With(p.Code, quote(answer.QuestionCode))
	}
	return p.Questions[i].read(answer)
}

func (q *Question) read(answer Answer) (Value, error) {
	if answer.QuestionType != q.Type {
		return Value{}, ErrAnswerType.With(q.Code, q.Type, quote(string(answer.QuestionType)))
	}
	if q.Type == QuestionNumeric {
		number, err := ParseNumber(string(answer.Answer))
		if err != nil || !q.allows(number) {
			return Value{}, ErrAnswerInvalid.With(q.Code, q.expected())
		}
		return Value{Numeric: true, Number: number}, nil
	}
	var text *string // null is invalid
	if err := json.Unmarshal(answer.Answer, &text); err != nil || text == nil {
		return Value{}, ErrAnswerInvalid.With(q.Code, q.expected())
	}
	if q.Type == QuestionChoice {
		if !q.Offers(*text) {
			return Value{}, ErrAnswerInvalid.With(q.Code, q.expected())
		}
		return Value{Text: *text}, nil
	}
	normalized, err := normalize("The answer to question "+q.Code, *text)
	return Value{Text: normalized}, err
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

// expected describes a valid answer in words.
func (q *Question) expected() string {
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
