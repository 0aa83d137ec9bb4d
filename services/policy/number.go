package policy

import (
	"fmt"
	"strings"

	"github.com/govalues/decimal"
)

// Number is an exact decimal number whose JSON is a number.
type Number struct{ decimal.Decimal }

// maxDigits keeps a number and its product with any rate of a tariff exact.
const maxDigits = 12

// ParseNumber reads a number as JSON writes it, without an exponent and with
// at most 12 digits: more would be rounded silently.
func ParseNumber(text string) (Number, error) {
	d, err := decimal.Parse(text)
	if err != nil || !isPlainNumber(text) || len(strings.NewReplacer("-", "", ".", "").Replace(text)) > maxDigits {
		return Number{}, fmt.Errorf("%.40q is not a plain number of at most %d digits", text, maxDigits)
	}
	return Number{d}, nil
}

// MarshalJSON writes the number's digits.
func (n Number) MarshalJSON() ([]byte, error) { return []byte(n.String()), nil }

// UnmarshalJSON reads what ParseNumber reads.
func (n *Number) UnmarshalJSON(data []byte) error {
	number, err := ParseNumber(string(data))
	if err != nil {
		return err
	}
	*n = number
	return nil
}
