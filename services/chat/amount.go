package chat

import (
	"encoding/json"
	"errors"

	"github.com/govalues/decimal"
)

// amount is a sum of money as text with two decimals. On the wire the amount is a JSON
// number.
type amount string

// errNoAmount does not repeat the received value: errors are logged, bodies are not.
var errNoAmount = errors.New("not an amount of money: want a number with at most two decimals")

// UnmarshalJSON implements json.Unmarshaler.
func (a *amount) UnmarshalJSON(data []byte) error {
	var number json.Number
	if len(data) > 0 && data[0] == '"' || json.Unmarshal(data, &number) != nil {
		return errNoAmount
	}
	if number == "" { // null: the same as a missing amount
		return nil
	}
	d, err := decimal.Parse(number.String())
	if d = d.Trim(2); err != nil || d.Scale() > 2 {
		return errNoAmount
	}
	*a = amount(d.Pad(2).String())
	return nil
}
