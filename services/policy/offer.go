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

// OfferRejected is reserved for offers declined by the customer. No code sets
// OfferRejected yet.
const (
	OfferNew       OfferStatus = "New"
	OfferConverted OfferStatus = "Converted"
	OfferRejected  OfferStatus = "Rejected"
)

const offerDays = 30

// The reasons not to sell an offer.
var (
	ErrOfferUnknown = fault.New(fault.NotFound, "offer-unknown", "There is no such offer.")
	ErrOfferExpired = fault.New(fault.Conflict, "offer-expired", "Offer %s has expired")
	ErrOfferNotNew  = fault.New(fault.Conflict, "offer-not-new", "Offer %s is not in new status and cannot be bought")
)

// OfferRequest is the input of an offer.
type OfferRequest struct {
	OfferNumber string // the number of the new offer
	AgentLogin  string
	Period      Period
	Covers      []string
	Answers     []Answer
}

// Offer prices a request by the product's tariff. An error about one part of the
// request points to it.
func (p *Product) Offer(tariff Pricer, request OfferRequest, now time.Time) (*Offer, error) {
	if p.Status != ProductActive {
		return nil, ErrProductNotActive.With(p.Code)
	}
	if err := request.Period.check(); err != nil {
		return nil, pointTo("#/policyTo", err)
	}
	covers, err := p.selectCovers(request.Covers)
	if err != nil {
		return nil, pointTo("#/selectedCovers", err)
	}
	values, err := p.readAnswers(request.Answers)
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
		return nil, ErrPriceNotPositive.With(total)
	}
	return &Offer{
		Number:      request.OfferNumber,
		ProductCode: p.Code,
		Period:      request.Period,
		Covers:      premiums,
		Total:       total,
		AgentLogin:  request.AgentLogin,
		CreatedAt:   now,
		Status:      OfferNew,
	}, nil
}

// Buy converts the offer into the policy with a number.
func (o *Offer) Buy(policyNumber string, holder Holder, address Address, now time.Time) (*Policy, []event.Event, error) {
	if err := normalizeHolder(&holder, &address); err != nil {
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
	return p, purchaseEvents(p), nil
}

// total adds premiums.
func total(premiums []CoverPremium) (sum Money, err error) {
	for _, cover := range premiums {
		if sum, err = (sum + cover.Premium).bounded(); err != nil {
			return 0, err
		}
	}
	return sum, nil
}
