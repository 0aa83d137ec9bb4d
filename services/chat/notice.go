package chat

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/govalues/decimal"

	"parley.internal/pkg/event"
)

// Announcement is an event that agents are told of.
type Announcement interface {
	event.Event
	// Notice is what they read, and in which stream.
	Notice() (stream, text string)
}

// The facts that agents are told of. Each holds the fields that its text needs,
// and cannot be without them.
type (
	// PolicyCreated says that an agent sold a policy.
	PolicyCreated struct {
		PolicyNumber string `json:"policyNumber"`
		ProductCode  string `json:"productCode"`
		AgentLogin   string `json:"agentLogin"`
	}
	// PolicyTerminated says that an agent ended a policy.
	PolicyTerminated struct {
		PolicyNumber string `json:"policyNumber"`
		ProductCode  string `json:"productCode"`
		AgentLogin   string `json:"agentLogin"`
	}
	// ProductActivated says that a product can be sold now.
	ProductActivated struct {
		ProductCode string `json:"productCode"`
		ProductName string `json:"productName"`
	}
	// TariffChanged says that a product has other prices now.
	TariffChanged struct {
		ProductCode string `json:"productCode"`
	}
	// CommissionCalculated says what an agent earned by a policy.
	CommissionCalculated struct {
		AgentLogin   string `json:"agentLogin"`
		PolicyNumber string `json:"policyNumber"`
		Amount       amount `json:"amount"`
	}
	// PaymentReceived says that a policy was paid for.
	PaymentReceived struct {
		AgentLogin   string `json:"agentLogin"`
		PolicyNumber string `json:"policyNumber"`
		Amount       amount `json:"amount"`
	}
)

// Type implements event.Event.
func (PolicyCreated) Type() string { return "PolicyCreated" }

// Type implements event.Event.
func (PolicyTerminated) Type() string { return "PolicyTerminated" }

// Type implements event.Event.
func (ProductActivated) Type() string { return "ProductActivated" }

// Type implements event.Event.
func (TariffChanged) Type() string { return "TariffChanged" }

// Type implements event.Event.
func (CommissionCalculated) Type() string { return "CommissionCalculated" }

// Type implements event.Event.
func (PaymentReceived) Type() string { return "PaymentReceived" }

// Notice implements Announcement.
func (e PolicyCreated) Notice() (stream, text string) {
	return Company, e.AgentLogin + " just sold policy for " + e.ProductCode + "!!!"
}

// Notice implements Announcement.
func (e PolicyTerminated) Notice() (stream, text string) {
	return Company, fmt.Sprintf("%s terminated policy %s (%s)", e.AgentLogin, e.PolicyNumber, e.ProductCode)
}

// Notice implements Announcement.
func (e ProductActivated) Notice() (stream, text string) {
	return Company, fmt.Sprintf("New product: %s (%s)", e.ProductName, e.ProductCode)
}

// Notice implements Announcement.
func (e TariffChanged) Notice() (stream, text string) {
	return Company, "Tariff changed for " + e.ProductCode
}

// Notice implements Announcement.
func (e CommissionCalculated) Notice() (stream, text string) {
	return Own(e.AgentLogin), fmt.Sprintf("Commission of %s for policy %s", e.Amount, e.PolicyNumber)
}

// Notice implements Announcement.
func (e PaymentReceived) Notice() (stream, text string) {
	return Own(e.AgentLogin), fmt.Sprintf("Payment of %s received for policy %s", e.Amount, e.PolicyNumber)
}

// Validate implements event.Validator.
func (e PolicyCreated) Validate() error {
	return required("policyNumber", e.PolicyNumber, "productCode", e.ProductCode, "agentLogin", e.AgentLogin)
}

// Validate implements event.Validator.
func (e PolicyTerminated) Validate() error { return PolicyCreated(e).Validate() }

// Validate implements event.Validator.
func (e ProductActivated) Validate() error {
	return required("productCode", e.ProductCode, "productName", e.ProductName)
}

// Validate implements event.Validator.
func (e TariffChanged) Validate() error { return required("productCode", e.ProductCode) }

// Validate implements event.Validator.
func (e CommissionCalculated) Validate() error {
	return required("agentLogin", e.AgentLogin, "policyNumber", e.PolicyNumber, "amount", string(e.Amount))
}

// Validate implements event.Validator.
func (e PaymentReceived) Validate() error { return CommissionCalculated(e).Validate() }

// required refuses the first field, of pairs of name and value, that is blank
// or holds what a text must not.
func required(pairs ...string) error {
	for i := 0; i < len(pairs); i += 2 {
		if strings.TrimSpace(pairs[i+1]) == "" {
			return fmt.Errorf("%s is missing", pairs[i])
		}
		if err := checkText(pairs[i+1]); err != nil {
			return fmt.Errorf("%s: %w", pairs[i], err)
		}
	}
	return nil
}

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
