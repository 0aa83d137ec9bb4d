package main

import (
	"errors"
	"fmt"

	"github.com/govalues/decimal"
)

// The events that this service is told of, with the fields that it needs of
// them: api/schemas/events holds the whole.
type (
	policyCreated struct {
		PolicyNumber string `json:"policyNumber"`
		TotalPremium amount `json:"totalPremium"`
	}
	policyTerminated struct {
		PolicyNumber   string `json:"policyNumber"`
		AmountToReturn amount `json:"amountToReturn"`
	}
)

func (policyCreated) Type() string    { return "PolicyCreated" }
func (policyTerminated) Type() string { return "PolicyTerminated" }

var errNoPolicy = errors.New("policyNumber is missing")

// Validate implements event.Validator.
func (e policyCreated) Validate() error {
	if e.PolicyNumber == "" {
		return errNoPolicy
	}
	return nil
}

// Validate implements event.Validator.
func (e policyTerminated) Validate() error {
	if e.PolicyNumber == "" {
		return errNoPolicy
	}
	return nil
}

// amount is money in minor units. On the wire it is a number with two decimals.
type amount int64

// UnmarshalJSON implements json.Unmarshaler.
func (a *amount) UnmarshalJSON(data []byte) error {
	d, err := decimal.Parse(string(data))
	if err != nil {
		return fmt.Errorf("%.40q is no amount: %w", data, err)
	}
	whole, cents, ok := d.Int64(2)
	if !ok || d.Trim(2).Scale() > 2 {
		return fmt.Errorf("%.40q is no amount with two decimals", data)
	}
	*a = amount(whole*100 + cents)
	return nil
}
