package policy

import (
	"parley.internal/pkg/event"
	"parley.internal/pkg/fault"
)

// Tariff is how a product is priced. It is data: rules are expressions over the
// codes of the product's questions.
type Tariff struct {
	ProductCode string     `json:"productCode"`
	Version     int        `json:"version"` // 1, and one more with each change
	Base        []BaseRule `json:"base"`
	Markups     []Markup   `json:"markups"`
}

// BaseRule prices a cover. Of a cover's rules the first that holds counts.
type BaseRule struct {
	Cover   string `json:"cover"`
	When    string `json:"when,omitempty"` // empty holds always
	Premium string `json:"premium"`
}

// Markup multiplies the premium of every cover if it holds, and rounds it to
// two digits, half to even. All that hold are applied, in order.
type Markup struct {
	When   string `json:"when,omitempty"` // empty holds always
	Factor string `json:"factor"`
}

// CoverPremium is what one cover costs.
type CoverPremium struct {
	Code    string `json:"code"`
	Premium Money  `json:"premium"`
}

// Pricer is a tariff ready to be applied. It prices covers in the order given;
// the values answer all of the product's questions.
type Pricer interface {
	Price(covers []string, values map[string]Value) ([]CoverPremium, error)
}

// Compile makes a tariff ready to be applied. It refuses, with
// ErrTariffInvalid, one that cannot price its product.
type Compile func(*Product, Tariff) (Pricer, error)

// What is wrong with a tariff.
var (
	ErrTariffInvalid  = fault.New(fault.Invalid, "tariff-invalid", "Tariff of product %s, %s: %s.")
	ErrTariffConflict = fault.New(fault.Conflict, "tariff-conflict",
		"The tariff of product %s was changed by somebody else: its version is %d.")
)

// Change replaces the rules by those of another tariff of the product. That
// one's Version, unless it is 0, is the version to be replaced.
func (t *Tariff) Change(product *Product, to Tariff, compile Compile) ([]event.Event, error) {
	if to.Version != 0 && to.Version != t.Version {
		return nil, ErrTariffConflict.With(product.Code, t.Version)
	}
	to.ProductCode, to.Version = product.Code, t.Version+1
	if _, err := compile(product, to); err != nil {
		return nil, err
	}
	*t = to
	return []event.Event{TariffChanged{ProductCode: product.Code}}, nil
}

// What is wrong with a price.
var (
	ErrNotPriced = fault.New(fault.Invalid, "cover-not-priced", "Cover %s has no price for these answers.")
	ErrInexact   = fault.New(fault.Invalid, "price-inexact", "These answers have no price that can be computed exactly.")
	ErrPriceless = fault.New(fault.Invalid, "price-not-positive",
		"These covers cost %s with these answers; an offer costs something.")
)
