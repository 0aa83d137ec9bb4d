package chat

import (
	"context"
	"fmt"
	"strings"

	"parley.internal/pkg/event"
)

// Announcement is an event that agents are told of.
type Announcement interface {
	event.Event
	// Notice is what they read, and in which stream.
	Notice() (stream, text string)
}

// Announce has a router announce each event that agents are told of.
func Announce[T any](r *event.Router[T], announce Announcer[T]) {
	tell[PolicyCreated](r, announce)
	tell[PolicyTerminated](r, announce)
	tell[ProductActivated](r, announce)
	tell[TariffChanged](r, announce)
	tell[CommissionCalculated](r, announce)
	tell[PaymentReceived](r, announce)
}

// Announcer stores the notice of a message in a stream, in a transaction.
type Announcer[T any] func(ctx context.Context, tx T, m event.Message, stream, text string) error

func tell[E Announcement, T any](r *event.Router[T], announce Announcer[T]) {
	event.Handle(r, func(ctx context.Context, tx T, m event.Message, e E) error {
		stream, text := e.Notice()
		return announce(ctx, tx, m, stream, text)
	})
}

// aboutPolicy is what each event about a policy holds.
type aboutPolicy struct {
	PolicyNumber string `json:"policyNumber"`
	ProductCode  string `json:"productCode"`
	AgentLogin   string `json:"agentLogin"`
}

// Validate implements event.Validator.
func (e aboutPolicy) Validate() error {
	return required("policyNumber", e.PolicyNumber, "productCode", e.ProductCode, "agentLogin", e.AgentLogin)
}

// PolicyCreated says that an agent sold a policy.
type PolicyCreated struct{ aboutPolicy }

// Type implements event.Event.
func (PolicyCreated) Type() string { return "PolicyCreated" }

// Notice implements Announcement.
func (e PolicyCreated) Notice() (stream, text string) {
	return Company, e.AgentLogin + " just sold policy for " + e.ProductCode + "!!!"
}

// PolicyTerminated says that an agent ended a policy.
type PolicyTerminated struct{ aboutPolicy }

// Type implements event.Event.
func (PolicyTerminated) Type() string { return "PolicyTerminated" }

// Notice implements Announcement.
func (e PolicyTerminated) Notice() (stream, text string) {
	return Company, fmt.Sprintf("%s terminated policy %s (%s)", e.AgentLogin, e.PolicyNumber, e.ProductCode)
}

// ProductActivated says that a product can be sold now.
type ProductActivated struct {
	ProductCode string `json:"productCode"`
	ProductName string `json:"productName"`
}

// Type implements event.Event.
func (ProductActivated) Type() string { return "ProductActivated" }

// Notice implements Announcement.
func (e ProductActivated) Notice() (stream, text string) {
	return Company, fmt.Sprintf("New product: %s (%s)", e.ProductName, e.ProductCode)
}

// Validate implements event.Validator.
func (e ProductActivated) Validate() error {
	return required("productCode", e.ProductCode, "productName", e.ProductName)
}

// TariffChanged says that a product has other prices now.
type TariffChanged struct {
	ProductCode string `json:"productCode"`
}

// Type implements event.Event.
func (TariffChanged) Type() string { return "TariffChanged" }

// Notice implements Announcement.
func (e TariffChanged) Notice() (stream, text string) {
	return Company, "Tariff changed for " + e.ProductCode
}

// Validate implements event.Validator.
func (e TariffChanged) Validate() error { return required("productCode", e.ProductCode) }

// aboutMoney is what each event about an agent's money holds.
type aboutMoney struct {
	AgentLogin   string `json:"agentLogin"`
	PolicyNumber string `json:"policyNumber"`
	Amount       amount `json:"amount"`
}

// Validate implements event.Validator.
func (e aboutMoney) Validate() error {
	return required("agentLogin", e.AgentLogin, "policyNumber", e.PolicyNumber, "amount", string(e.Amount))
}

// CommissionCalculated says what an agent earned by a policy.
type CommissionCalculated struct{ aboutMoney }

// Type implements event.Event.
func (CommissionCalculated) Type() string { return "CommissionCalculated" }

// Notice implements Announcement.
func (e CommissionCalculated) Notice() (stream, text string) {
	return Own(e.AgentLogin), fmt.Sprintf("Commission of %s for policy %s", e.Amount, e.PolicyNumber)
}

// PaymentReceived says that a policy was paid for.
type PaymentReceived struct{ aboutMoney }

// Type implements event.Event.
func (PaymentReceived) Type() string { return "PaymentReceived" }

// Notice implements Announcement.
func (e PaymentReceived) Notice() (stream, text string) {
	return Own(e.AgentLogin), fmt.Sprintf("Payment of %s received for policy %s", e.Amount, e.PolicyNumber)
}

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
