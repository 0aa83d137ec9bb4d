package policy_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/govalues/decimal"
	"pgregory.net/rapid"

	"parley.internal/policy"
)

func TestMoneyIsJSONNumberWithTwoDecimals(t *testing.T) {
	tests := map[string]struct {
		text string
		want string // "" if it is rejected
	}{
		"two decimals":              {"98.00", "98.00"},
		"one decimal":               {"98.5", "98.50"},
		"no decimals":               {"98", "98.00"},
		"zero":                      {"0", "0.00"},
		"a negative fraction":       {"-0.05", "-0.05"},
		"a negative amount":         {"-12.34", "-12.34"},
		"the largest amount":        {"9999999999999.99", "9999999999999.99"},
		"more than the largest":     {"10000000000000.00", ""},
		"more than int64 holds":     {"99999999999999999999", ""},
		"three decimals":            {"98.001", ""},
		"three decimals with zeros": {"98.000", ""},
		"an exponent":               {"1e2", ""},
		"a text":                    {`"98.00"`, ""},
		"null":                      {"null", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var m policy.Money
			err := json.Unmarshal([]byte(tt.text), &m)
			if (err != nil) != (tt.want == "") {
				t.Fatalf("got %v, error %v, want %q", m, err, tt.want)
			}
			if err != nil {
				return
			}
			text, err := json.Marshal(m)
			if err != nil || string(text) != tt.want {
				t.Errorf("got %s, error %v, want %s", text, err, tt.want)
			}
		})
	}
}

func TestMoneyIsRoundedHalfToEven(t *testing.T) {
	tests := map[string]struct {
		exact string
		want  policy.Money
	}{
		"half rounds down to an even digit": {"0.125", 12},
		"half rounds up to an even digit":   {"0.135", 14},
		"just above half":                   {"0.1250001", 13},
		"a negative half":                   {"-0.125", -12},
		"two decimals":                      {"118.75", 11875},
		"whole":                             {"30", 3000},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := policy.RoundMoney(decimal.MustParse(tt.exact))
			if err != nil || got != tt.want {
				t.Errorf("got %v, error %v, want %v", got, err, tt.want)
			}
		})
	}
}

func TestMoneyNeverOverflowsSilently(t *testing.T) {
	for _, huge := range []string{"10000000000000", "-10000000000000", "9999999999999999999", "9999999999999.995"} {
		if got, err := policy.RoundMoney(decimal.MustParse(huge)); !errors.Is(err, policy.ErrAmountTooLarge) {
			t.Errorf("%s: got %v, error %v, want ErrAmountTooLarge", huge, got, err)
		}
	}
}

func TestMoneyRoundTripsThroughJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := policy.Money(rapid.Int64Range(int64(-policy.MaxMoney), int64(policy.MaxMoney)).Draw(t, "minor"))
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		var back policy.Money
		if err := json.Unmarshal(text, &back); err != nil || back != m {
			t.Fatalf("%d: JSON %s decodes to %d, error %v", m, text, back, err)
		}
	})
}
