package policy

import (
	"fmt"
	"strings"

	"github.com/govalues/decimal"
)

// Number is an exact decimal number. Its JSON is a number.
type Number struct{ decimal.Decimal }

// maxDigits keeps a number, and its product with any rate of a tariff, exact.
const maxDigits = 12

// ParseNumber parses a JSON number without an exponent and with at most 12
// digits: a decimal would silently round a longer one.
func ParseNumber(text string) (Number, error) {
	d, err := decimal.Parse(text)
	if err != nil || !isPlainNumber(text) || len(strings.NewReplacer("-", "", ".", "").Replace(text)) > maxDigits {
		return Number{}, fmt.Errorf("%.40q is not a plain number of at most %d digits", text, maxDigits)
	}
	return Number{d}, nil
}

// MarshalJSON writes the digits of the number.
func (n Number) MarshalJSON() ([]byte, error) { return []byte(n.String()), nil }

// UnmarshalJSON is ParseNumber.
func (n *Number) UnmarshalJSON(data []byte) (err error) {
	*n, err = ParseNumber(string(data))
	return err
}
