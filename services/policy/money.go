package policy

import (
	"fmt"
	"math/bits"
	"strconv"
	"strings"

	"github.com/govalues/decimal"

	"parley.internal/pkg/fault"
)

// Money is an amount in minor units: 9800 is 98.00. Its JSON is a number with
// two decimals.
type Money int64

// MaxMoney is the largest amount, and -MaxMoney the smallest: fifteen digits,
// exact in every JSON reader and far from the limit of int64.
const MaxMoney Money = 999_999_999_999_999

const moneyScale = 2

// ErrAmountTooLarge rejects an amount beyond MaxMoney.
var ErrAmountTooLarge = fault.New(fault.Invalid, "amount-too-large", "The amount is too large.")

// RoundMoney rounds d to two digits, half to even.
func RoundMoney(d decimal.Decimal) (Money, error) {
	whole, cents, ok := d.Int64(moneyScale)
	if !ok || whole > int64(MaxMoney/100) || whole < -int64(MaxMoney/100) {
		return 0, ErrAmountTooLarge
	}
	return Money(whole*100 + cents).bounded()
}

func (m Money) bounded() (Money, error) {
	if m > MaxMoney || m < -MaxMoney {
		return 0, ErrAmountTooLarge
	}
	return m, nil
}

// share returns m × part / whole, rounded half to even, for 0 ≤ part ≤ whole,
// 0 < whole and 0 ≤ m. A decimal quotient would be rounded twice: to its own
// digits first.
func (m Money) share(part, whole uint64) Money {
	high, low := bits.Mul64(uint64(m), part) //nolint:gosec // 0 ≤ m.
	quotient, rest := bits.Div64(high, low, whole)
	if over := whole - rest; rest > over || rest == over && quotient%2 == 1 {
		quotient++
	}
	return Money(quotient) //nolint:gosec // part ≤ whole keeps it at m or less.
}

// Decimal returns the amount in major units, with two decimals.
func (m Money) Decimal() decimal.Decimal { return decimal.MustNew(int64(m), moneyScale) }

// String returns the amount with two decimals: "98.00", "-0.05".
func (m Money) String() string { return m.Decimal().String() }

// MarshalJSON writes a number with two decimals.
func (m Money) MarshalJSON() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalJSON reads a number with at most two decimals. It rejects null: no
// amount is not an amount of 0.00.
func (m *Money) UnmarshalJSON(data []byte) (err error) {
	*m, err = parseMoney(string(data))
	return err
}

func parseMoney(text string) (Money, error) {
	whole, cents, _ := strings.Cut(text, ".")
	if !isPlainNumber(text) || len(cents) > moneyScale {
		return 0, fmt.Errorf("%.40q is not an amount: want a number with at most %d decimals", text, moneyScale)
	}
	minor, err := strconv.ParseInt(whole+(cents + "00")[:moneyScale], 10, 64)
	if err != nil {
		return 0, ErrAmountTooLarge
	}
	return Money(minor).bounded()
}

// isPlainNumber reports whether text is a JSON number without an exponent.
func isPlainNumber(text string) bool {
	whole, fraction, point := strings.Cut(strings.TrimPrefix(text, "-"), ".")
	if len(whole) > 1 && whole[0] == '0' || point && fraction == "" || whole == "" {
		return false
	}
	return strings.Trim(whole+fraction, "0123456789") == ""
}
