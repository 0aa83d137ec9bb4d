package payments

import (
	"errors"
	"fmt"
	"math"

	"github.com/govalues/decimal"
)

// PolicyCreated is an event of the policy service, with the fields for payments;
// api/schemas/events has all fields.
type PolicyCreated struct {
	PolicyNumber string `json:"policyNumber"`
	TotalPremium Amount `json:"totalPremium"`
}

// PolicyTerminated is an event of the policy service, with the fields for
// payments.
type PolicyTerminated struct {
	PolicyNumber   string `json:"policyNumber"`
	AmountToReturn Amount `json:"amountToReturn"`
}

// Type implements event.Event.
func (PolicyCreated) Type() string { return "PolicyCreated" }

// Type implements event.Event.
func (PolicyTerminated) Type() string { return "PolicyTerminated" }

var errNoPolicy = errors.New("policyNumber is missing")

// Validate implements event.Validator.
func (e PolicyCreated) Validate() error {
	if e.PolicyNumber == "" {
		return errNoPolicy
	}
	return nil
}

// Validate implements event.Validator.
func (e PolicyTerminated) Validate() error {
	if e.PolicyNumber == "" {
		return errNoPolicy
	}
	return nil
}

// Amount is money in minor units. On the wire: a number with two decimals.
type Amount int64

const maxWhole = math.MaxInt64/100 - 1

// UnmarshalJSON implements json.Unmarshaler.
func (a *Amount) UnmarshalJSON(data []byte) error {
	d, err := decimal.Parse(string(data))
	if err != nil {
		return fmt.Errorf("%.40q is no amount: %w", data, err)
	}
	whole, cents, ok := d.Int64(2)
	if !ok || d.Trim(2).Scale() > 2 || max(whole, -whole) > maxWhole {
		return fmt.Errorf("%.40q is no amount with two decimals", data)
	}
	*a = Amount(whole*100 + cents)
	return nil
}
