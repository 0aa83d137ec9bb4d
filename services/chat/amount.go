package chat

import (
	"encoding/json"
	"errors"

	"github.com/govalues/decimal"
)

// amount is money with two decimals, as it is read by people. On the wire it
// is a JSON number.
type amount string

// errNoAmount does not repeat what was sent: errors are logged, bodies are not.
var errNoAmount = errors.New("it is no amount of money: a number with two decimals at most")

// UnmarshalJSON implements json.Unmarshaler.
func (a *amount) UnmarshalJSON(data []byte) error {
	var number json.Number
	if len(data) > 0 && data[0] == '"' || json.Unmarshal(data, &number) != nil {
		return errNoAmount
	}
	if number == "" { // null: as if it were missing
		return nil
	}
	d, err := decimal.Parse(number.String())
	if err != nil {
		return errNoAmount
	}
	if d = d.Trim(2); d.Scale() > 2 {
		return errNoAmount
	}
	*a = amount(d.Pad(2).String())
	return nil
}
