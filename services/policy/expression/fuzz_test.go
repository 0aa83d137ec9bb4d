package expression_test

import (
	"errors"
	"testing"
	"unicode/utf8"

	"parley.internal/policy"
	"parley.internal/policy/expression"
)

// FuzzCompile checks that any text is either rejected as an invalid tariff or
// prices its cover, or fails for a reason that the caller may see.
func FuzzCompile(f *testing.F) {
	for _, seed := range []string{"AREA * 1.25", `KIND == 'BAKER' ? 1 : 0.1`, "!(1 < 2) or NAME != \"\\u0041\"", "((1", "1 EOF", "é..$"} {
		f.Add(seed, seed)
	}
	area, err := policy.ParseNumber("1.5")
	if err != nil {
		f.Fatal(err)
	}
	answers := map[string]policy.Value{"AREA": {Numeric: true, Number: area}, "KIND": {Text: "BAKER"}, "NAME": {Text: "Anna"}}
	f.Fuzz(func(t *testing.T, when, premium string) {
		tariff, err := expression.Compile(shop(), one(when, premium))
		if err != nil {
			if !errors.Is(err, policy.ErrTariffInvalid) || utf8.ValidString(when+premium) && !utf8.ValidString(err.Error()) {
				t.Errorf("got error %v", err)
			}
			return
		}
		_, err = tariff.Price([]string{"C1"}, answers)
		if err != nil && !errors.Is(err, policy.ErrInexact) && !errors.Is(err, policy.ErrNotPriced) && !errors.Is(err, policy.ErrAmountTooLarge) {
			t.Errorf("price by %q when %q: error %v", premium, when, err)
		}
	})
}
