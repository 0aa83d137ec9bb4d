package policy

import "parley.internal/pkg/event"

// PolicyEvent has the common properties of events about a policy, by its newest
// version.
type PolicyEvent struct {
	PolicyNumber string `json:"policyNumber"`
	ProductCode  string `json:"productCode"`
	PolicyFrom   Date   `json:"policyFrom"`
	PolicyTo     Date   `json:"policyTo"`
	PolicyHolder Holder `json:"policyHolder"`
	TotalPremium Money  `json:"totalPremium"`
	AgentLogin   string `json:"agentLogin"`
}

// PolicyCreated is published when an offer is bought.
type PolicyCreated struct{ PolicyEvent }

// Type returns the event type on the wire.
func (PolicyCreated) Type() string { return "PolicyCreated" }

// PolicyTerminated is published when a policy is terminated early. PolicyTo is
// the date of the termination, TotalPremium the premium for the days used.
type PolicyTerminated struct {
	PolicyEvent

	AmountToReturn Money `json:"amountToReturn"`
}

// Type returns the event type on the wire.
func (PolicyTerminated) Type() string { return "PolicyTerminated" }

// ProductActivated is published when the sale of a product begins.
type ProductActivated struct {
	ProductCode string `json:"productCode"`
	ProductName string `json:"productName"`
}

// Type returns the event type on the wire.
func (ProductActivated) Type() string { return "ProductActivated" }

// TariffChanged is published when the prices of a product change.
type TariffChanged struct {
	ProductCode string `json:"productCode"`
}

// Type returns the event type on the wire.
func (TariffChanged) Type() string { return "TariffChanged" }

// purchaseEvents returns the events of a purchase, in their order.
func purchaseEvents(p *Policy) []event.Event {
	return []event.Event{PolicyCreated{p.event()}}
}

// event returns the common properties of the policy's events.
func (p *Policy) event() PolicyEvent {
	v := p.Newest()
	return PolicyEvent{
		PolicyNumber: p.Number,
		ProductCode:  p.ProductCode,
		PolicyFrom:   v.Cover.From,
		PolicyTo:     v.Cover.To,
		PolicyHolder: p.Holder,
		TotalPremium: v.Total,
		AgentLogin:   p.AgentLogin,
	}
}
