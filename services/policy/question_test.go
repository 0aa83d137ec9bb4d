package policy_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"parley.internal/pkg/fault"
	"parley.internal/policy"
)

// flat is a tariff with one premium for all covers.
type flat policy.Money

func (f flat) Price(covers []string, _ map[string]policy.Value) ([]policy.CoverPremium, error) {
	premiums := make([]policy.CoverPremium, len(covers))
	for i, cover := range covers {
		premiums[i] = policy.CoverPremium{Code: cover, Premium: policy.Money(f)}
	}
	return premiums, nil
}

func answer(code string, kind policy.QuestionType, raw string) policy.Answer {
	return policy.Answer{QuestionCode: code, QuestionType: kind, Answer: json.RawMessage(raw)}
}

func TestEachQuestionNeedsOneValidAnswer(t *testing.T) {
	typ := answer("TYP", policy.QuestionChoice, `"APT"`)
	area := answer("AREA", policy.QuestionNumeric, `95`)
	claims := answer("NUM_OF_CLAIM", policy.QuestionNumeric, `1`)
	flood := answer("FLOOD", policy.QuestionChoice, `"NO"`)
	with := func(changed policy.Answer) []policy.Answer {
		all := []policy.Answer{typ, area, claims, flood}
		for i := range all {
			if all[i].QuestionCode == changed.QuestionCode {
				all[i] = changed
			}
		}
		return all
	}
	tests := map[string]struct {
		answers []policy.Answer
		err     error
	}{
		"all answered":                       {[]policy.Answer{typ, area, claims, flood}, nil},
		"in another order":                   {[]policy.Answer{flood, claims, area, typ}, nil},
		"a fraction of a square metre":       {with(answer("AREA", policy.QuestionNumeric, `95.25`)), nil},
		"the largest area":                   {with(answer("AREA", policy.QuestionNumeric, `100000`)), nil},
		"a whole number with a decimal zero": {with(answer("NUM_OF_CLAIM", policy.QuestionNumeric, `2.0`)), nil},
		"a missing answer":                   {[]policy.Answer{typ, area, claims}, policy.ErrAnswerMissing},
		"no answers":                         {nil, policy.ErrAnswerMissing},
		"a repeated answer":                  {[]policy.Answer{typ, area, claims, flood, typ}, policy.ErrAnswerRepeated},
		"an unknown question":                {append(with(typ), answer("COLOUR", policy.QuestionText, `"red"`)), policy.ErrAnswerUnknown},
		"another type than the product's":    {with(answer("AREA", policy.QuestionText, `"95"`)), policy.ErrAnswerType},
		"an unknown type":                    {with(answer("AREA", "Number", `95`)), policy.ErrAnswerType},
		"an unknown choice":                  {with(answer("TYP", policy.QuestionChoice, `"CASTLE"`)), policy.ErrAnswerInvalid},
		"a choice in lower case":             {with(answer("TYP", policy.QuestionChoice, `"apt"`)), policy.ErrAnswerInvalid},
		"a number for a choice":              {with(answer("TYP", policy.QuestionChoice, `1`)), policy.ErrAnswerInvalid},
		"null for a choice":                  {with(answer("TYP", policy.QuestionChoice, `null`)), policy.ErrAnswerInvalid},
		"an empty answer":                    {with(answer("TYP", policy.QuestionChoice, ``)), policy.ErrAnswerInvalid},
		"a number in quotes":                 {with(answer("AREA", policy.QuestionNumeric, `"95"`)), policy.ErrAnswerInvalid},
		"a boolean for a number":             {with(answer("AREA", policy.QuestionNumeric, `true`)), policy.ErrAnswerInvalid},
		"null for a number":                  {with(answer("AREA", policy.QuestionNumeric, `null`)), policy.ErrAnswerInvalid},
		"an area of zero":                    {with(answer("AREA", policy.QuestionNumeric, `0`)), policy.ErrAnswerInvalid},
		"a negative area":                    {with(answer("AREA", policy.QuestionNumeric, `-1`)), policy.ErrAnswerInvalid},
		"too large an area":                  {with(answer("AREA", policy.QuestionNumeric, `100000.01`)), policy.ErrAnswerInvalid},
		"too many digits":                    {with(answer("AREA", policy.QuestionNumeric, `1.0000000000001`)), policy.ErrAnswerInvalid},
		"an exponent":                        {with(answer("AREA", policy.QuestionNumeric, `1e2`)), policy.ErrAnswerInvalid},
		"half a claim":                       {with(answer("NUM_OF_CLAIM", policy.QuestionNumeric, `1.5`)), policy.ErrAnswerInvalid},
		"a negative number of claims":        {with(answer("NUM_OF_CLAIM", policy.QuestionNumeric, `-1`)), policy.ErrAnswerInvalid},
		"too many claims":                    {with(answer("NUM_OF_CLAIM", policy.QuestionNumeric, `1001`)), policy.ErrAnswerInvalid},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			hsi := product(t, "HSI")
			request := policy.OfferRequest{Period: year, Covers: []string{"C1"}, Answers: tt.answers}
			offer, err := hsi.Offer(flat(10000), request, time.Now())
			if !errors.Is(err, tt.err) {
				t.Fatalf("got error %v, want %v", err, tt.err)
			}
			if (offer == nil) != (tt.err != nil) {
				t.Errorf("got offer %v with error %v", offer, err)
			}
		})
	}
}

func TestErrorDescribesValidAnswer(t *testing.T) {
	car := product(t, "CAR")
	_, err := car.Offer(flat(1), policy.OfferRequest{
		Period: year, Covers: []string{"C1"},
		Answers: []policy.Answer{answer("NUM_OF_CLAIM", policy.QuestionNumeric, `"2"`)},
	}, time.Now())
	const want = "The answer to question NUM_OF_CLAIM must be a whole number, at least 0, at most 1000, " +
		"written with at most 12 digits and without an exponent."
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestTextAnswerIsTrimmed(t *testing.T) {
	free := policy.Product{
		Code: "FREE", Status: policy.ProductActive,
		Covers:    []policy.Cover{{Code: "C1"}},
		Questions: []policy.Question{{Index: 1, Code: "WHY", Type: policy.QuestionText}},
	}
	for raw, ok := range map[string]bool{
		`" because "`: true, `"  "`: false, `"a\u0000b"`: false, `"a\nb"`: false, `{}`: false,
	} {
		_, err := free.Offer(flat(1), policy.OfferRequest{
			Period: year, Covers: []string{"C1"},
			Answers: []policy.Answer{answer("WHY", policy.QuestionText, raw)},
		}, time.Now())
		if (err == nil) != ok {
			t.Errorf("%s: got error %v", raw, err)
		}
		if fields := fault.Of(err).Fields; !ok && (len(fields) != 1 || fields[0].Pointer != "#/answers/0") {
			t.Errorf("%s: error points to %v, want #/answers/0", raw, fields)
		}
	}
}
