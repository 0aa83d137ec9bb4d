package policy

import (
	"time"

	"parley.internal/pkg/event"
	"parley.internal/pkg/fault"
)

// Offer is a price for covers over a period. It can be bought once, within 30
// days.
type Offer struct {
	Number      string
	ProductCode string
	Period      Period
	Covers      []CoverPremium
	Total       Money
	AgentLogin  string
	CreatedAt   time.Time
	Status      OfferStatus
}

// OfferStatus says whether an offer can still be bought.
type OfferStatus string

// Rejected is kept for what the customer said no to; nothing sets it yet.
const (
	OfferNew       OfferStatus = "New"
	OfferConverted OfferStatus = "Converted"
	OfferRejected  OfferStatus = "Rejected"
)

const offerDays = 30

// Why an offer is not bought.
var (
	ErrOfferUnknown = fault.New(fault.NotFound, "offer-unknown", "There is no such offer.")
	ErrOfferExpired = fault.New(fault.Conflict, "offer-expired", "Offer %s has expired")
	ErrOfferNotNew  = fault.New(fault.Conflict, "offer-not-new", "Offer %s is not in new status and cannot be bought")
)

// Inquiry is what an agent wants a price for.
type Inquiry struct {
	OfferNumber string // the number that the offer will have
	AgentLogin  string
	Period      Period
	Covers      []string
	Answers     []Answer
}

// Offer prices the inquiry by the product's tariff. A refusal points to what is
// wrong where that is one place.
func (p *Product) Offer(tariff Pricer, inquiry Inquiry, now time.Time) (*Offer, error) {
	if p.Status != ProductActive {
		return nil, ErrProductNotActive.With(p.Code)
	}
	if err := inquiry.Period.check(); err != nil {
		return nil, at("#/policyTo", err)
	}
	covers, err := p.chosen(inquiry.Covers)
	if err != nil {
		return nil, at("#/selectedCovers", err)
	}
	values, err := p.answered(inquiry.Answers)
	if err != nil {
		return nil, err
	}
	premiums, err := tariff.Price(covers, values)
	if err != nil {
		return nil, err
	}
	total, err := total(premiums)
	if err != nil {
		return nil, err
	}
	if total <= 0 {
		return nil, ErrPriceless.With(total)
	}
	return &Offer{
		Number:      inquiry.OfferNumber,
		ProductCode: p.Code,
		Period:      inquiry.Period,
		Covers:      premiums,
		Total:       total,
		AgentLogin:  inquiry.AgentLogin,
		CreatedAt:   now,
		Status:      OfferNew,
	}, nil
}

// Buy turns the offer into the policy with that number. An offer is bought
// once, and for 30 days.
func (o *Offer) Buy(policyNumber string, holder Holder, address Address, now time.Time) (*Policy, []event.Event, error) {
	holder, err := holder.cleaned()
	if err != nil {
		return nil, nil, err
	}
	address, err = address.cleaned()
	if err != nil {
		return nil, nil, err
	}
	switch {
	case now.After(o.CreatedAt.AddDate(0, 0, offerDays)):
		return nil, nil, ErrOfferExpired.With(o.Number)
	case o.Status != OfferNew:
		return nil, nil, ErrOfferNotNew.With(o.Number)
	}

	o.Status = OfferConverted
	p := &Policy{
		Number:      policyNumber,
		OfferNumber: o.Number,
		ProductCode: o.ProductCode,
		Holder:      holder,
		Address:     address,
		AgentLogin:  o.AgentLogin,
		CreatedAt:   now,
		Status:      StatusActive,
		Versions: []Version{{
			Number:   1,
			Cover:    o.Period,
			Validity: o.Period,
			Covers:   o.Covers,
			Total:    o.Total,
		}},
	}
	return p, bought(p), nil
}

func total(premiums []CoverPremium) (Money, error) {
	amounts := make([]Money, len(premiums))
	for i, cover := range premiums {
		amounts[i] = cover.Premium
	}
	return Sum(amounts...)
}
