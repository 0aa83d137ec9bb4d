package policy

import "parley.internal/pkg/event"

// PolicyCreated is published when an offer is bought.
type PolicyCreated struct {
	PolicyNumber string `json:"policyNumber"`
	ProductCode  string `json:"productCode"`
	PolicyFrom   Date   `json:"policyFrom"`
	PolicyTo     Date   `json:"policyTo"`
	PolicyHolder Holder `json:"policyHolder"`
	TotalPremium Money  `json:"totalPremium"`
	AgentLogin   string `json:"agentLogin"`
}

// Type returns the event type on the wire.
func (PolicyCreated) Type() string { return "PolicyCreated" }

// PolicyTerminated is published when a policy is terminated early. PolicyTo is
// the date of the termination, TotalPremium the premium for the days used.
type PolicyTerminated struct {
	PolicyNumber   string `json:"policyNumber"`
	ProductCode    string `json:"productCode"`
	PolicyFrom     Date   `json:"policyFrom"`
	PolicyTo       Date   `json:"policyTo"`
	PolicyHolder   Holder `json:"policyHolder"`
	TotalPremium   Money  `json:"totalPremium"`
	AgentLogin     string `json:"agentLogin"`
	AmountToReturn Money  `json:"amountToReturn"`
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
	return []event.Event{policyCreated(p)}
}

func policyCreated(p *Policy) PolicyCreated {
	v := p.Versions[len(p.Versions)-1]
	return PolicyCreated{
		PolicyNumber: p.Number,
		ProductCode:  p.ProductCode,
		PolicyFrom:   v.Cover.From,
		PolicyTo:     v.Cover.To,
		PolicyHolder: p.Holder,
		TotalPremium: v.Total,
		AgentLogin:   p.AgentLogin,
	}
}

func policyTerminated(p *Policy, toReturn Money) PolicyTerminated {
	now := policyCreated(p)
	return PolicyTerminated{
		PolicyNumber:   now.PolicyNumber,
		ProductCode:    now.ProductCode,
		PolicyFrom:     now.PolicyFrom,
		PolicyTo:       now.PolicyTo,
		PolicyHolder:   now.PolicyHolder,
		TotalPremium:   now.TotalPremium,
		AgentLogin:     now.AgentLogin,
		AmountToReturn: toReturn,
	}
}
