package chat

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"strings"

	"parley.internal/pkg/event"
)

// HandleNotices registers a handler for each event with a notice. The handler appends the
// notice in the transaction of the event. The notice has the event's id, or a random id if
// the event has none.
func HandleNotices[Tx any](r *event.Router[Tx], appendNotice func(ctx context.Context, tx Tx, notice Draft)) {
	handle[policyCreated](r, appendNotice)
	handle[policyTerminated](r, appendNotice)
	handle[productActivated](r, appendNotice)
	handle[tariffChanged](r, appendNotice)
	handle[commissionCalculated](r, appendNotice)
	handle[paymentReceived](r, appendNotice)
}

// noticeEvent is an event with a notice.
type noticeEvent interface {
	event.Event
	// Notice returns the text of the notice, and the stream to append to.
	Notice() (stream, text string)
}

func handle[E noticeEvent, Tx any](r *event.Router[Tx], appendNotice func(context.Context, Tx, Draft)) {
	event.Handle(r, func(ctx context.Context, tx Tx, m event.Message, e E) error {
		stream, text := e.Notice()
		id := cmp.Or(m.ID, rand.Text())
		appendNotice(ctx, tx, Draft{Stream: stream, Source: m.Source, ID: id, Kind: Notice, Body: text})
		return nil
	})
}

// policyEvent holds the fields common to events about a policy.
type policyEvent struct {
	PolicyNumber string `json:"policyNumber"`
	ProductCode  string `json:"productCode"`
	AgentLogin   string `json:"agentLogin"`
}

// Validate implements event.Validator.
func (e policyEvent) Validate() error {
	return required("policyNumber", e.PolicyNumber, "productCode", e.ProductCode, "agentLogin", e.AgentLogin)
}

// policyCreated reports the sale of a policy.
type policyCreated struct{ policyEvent }

// Type implements event.Event.
func (policyCreated) Type() string { return "PolicyCreated" }

// Notice implements noticeEvent.
func (e policyCreated) Notice() (stream, text string) {
	return Company, e.AgentLogin + " just sold policy for " + e.ProductCode + "!!!"
}

// policyTerminated reports the termination of a policy.
type policyTerminated struct{ policyEvent }

// Type implements event.Event.
func (policyTerminated) Type() string { return "PolicyTerminated" }

// Notice implements noticeEvent.
func (e policyTerminated) Notice() (stream, text string) {
	return Company, fmt.Sprintf("%s terminated policy %s (%s)", e.AgentLogin, e.PolicyNumber, e.ProductCode)
}

// productActivated reports a new product on sale.
type productActivated struct {
	ProductCode string `json:"productCode"`
	ProductName string `json:"productName"`
}

// Type implements event.Event.
func (productActivated) Type() string { return "ProductActivated" }

// Notice implements noticeEvent.
func (e productActivated) Notice() (stream, text string) {
	return Company, fmt.Sprintf("New product: %s (%s)", e.ProductName, e.ProductCode)
}

// Validate implements event.Validator.
func (e productActivated) Validate() error {
	return required("productCode", e.ProductCode, "productName", e.ProductName)
}

// tariffChanged reports new prices of a product.
type tariffChanged struct {
	ProductCode string `json:"productCode"`
}

// Type implements event.Event.
func (tariffChanged) Type() string { return "TariffChanged" }

// Notice implements noticeEvent.
func (e tariffChanged) Notice() (stream, text string) {
	return Company, "Tariff changed for " + e.ProductCode
}

// Validate implements event.Validator.
func (e tariffChanged) Validate() error { return required("productCode", e.ProductCode) }

// moneyEvent holds the fields common to events about an agent's money.
type moneyEvent struct {
	AgentLogin   string `json:"agentLogin"`
	PolicyNumber string `json:"policyNumber"`
	Amount       amount `json:"amount"`
}

// Validate implements event.Validator.
func (e moneyEvent) Validate() error {
	return required("agentLogin", e.AgentLogin, "policyNumber", e.PolicyNumber, "amount", string(e.Amount))
}

// commissionCalculated reports an agent's commission for a policy.
type commissionCalculated struct{ moneyEvent }

// Type implements event.Event.
func (commissionCalculated) Type() string { return "CommissionCalculated" }

// Notice implements noticeEvent.
func (e commissionCalculated) Notice() (stream, text string) {
	return Own(e.AgentLogin), fmt.Sprintf("Commission of %s for policy %s", e.Amount, e.PolicyNumber)
}

// paymentReceived reports a payment for a policy.
type paymentReceived struct{ moneyEvent }

// Type implements event.Event.
func (paymentReceived) Type() string { return "PaymentReceived" }

// Notice implements noticeEvent.
func (e paymentReceived) Notice() (stream, text string) {
	return Own(e.AgentLogin), fmt.Sprintf("Payment of %s received for policy %s", e.Amount, e.PolicyNumber)
}

// required takes pairs of a field's name and value, and returns an error for the first value
// that is blank or not a valid text.
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
