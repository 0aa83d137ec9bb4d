package policy

import "parley.internal/pkg/event"

// bought is what a sale tells.
func bought(p *Policy) []event.Event {
	return []event.Event{created(p)}
}

// PolicyCreated says that an offer was bought.
type PolicyCreated struct {
	PolicyNumber string `json:"policyNumber"`
	ProductCode  string `json:"productCode"`
	PolicyFrom   Date   `json:"policyFrom"`
	PolicyTo     Date   `json:"policyTo"`
	PolicyHolder Holder `json:"policyHolder"`
	TotalPremium Money  `json:"totalPremium"`
	AgentLogin   string `json:"agentLogin"`
}

// Type is the event's name on the wire.
func (PolicyCreated) Type() string { return "PolicyCreated" }

// PolicyTerminated says that a policy's cover ends early. PolicyTo is the date
// of the termination, TotalPremium what remains to be paid for the policy.
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

// Type is the event's name on the wire.
func (PolicyTerminated) Type() string { return "PolicyTerminated" }

// ProductActivated says that a product can be sold from now on.
type ProductActivated struct {
	ProductCode string `json:"productCode"`
	ProductName string `json:"productName"`
}

// Type is the event's name on the wire.
func (ProductActivated) Type() string { return "ProductActivated" }

// TariffChanged says that a product has other prices from now on.
type TariffChanged struct {
	ProductCode string `json:"productCode"`
}

// Type is the event's name on the wire.
func (TariffChanged) Type() string { return "TariffChanged" }

func created(p *Policy) PolicyCreated {
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

func terminated(p *Policy, toReturn Money) PolicyTerminated {
	now := created(p)
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
