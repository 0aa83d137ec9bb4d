package chat

import (
	"encoding/json"
	"fmt"

	"github.com/govalues/decimal"
)

// amount is money with two decimals, as it is read by people. On the wire it
// is a JSON number.
type amount string

// UnmarshalJSON implements json.Unmarshaler.
func (a *amount) UnmarshalJSON(data []byte) error {
	var number json.Number
	if len(data) > 0 && data[0] == '"' || json.Unmarshal(data, &number) != nil {
		return fmt.Errorf("%s is not an amount of money", data)
	}
	if number == "" { // null: as if it were missing
		return nil
	}
	d, err := decimal.Parse(number.String())
	if err != nil {
		return fmt.Errorf("%s is not an amount of money: %w", data, err)
	}
	if d = d.Trim(2); d.Scale() > 2 {
		return fmt.Errorf("%s has more than two decimals", data)
	}
	*a = amount(d.Pad(2).String())
	return nil
}
