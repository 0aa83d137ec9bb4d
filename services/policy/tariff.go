package policy

import (
	"parley.internal/pkg/event"
	"parley.internal/pkg/fault"
)

// Tariff is the rules that price a product. Rules are data: expressions over the
// codes of the product's questions.
type Tariff struct {
	ProductCode string     `json:"productCode"`
	Version     int        `json:"version"` // 1, incremented by each change
	Base        []BaseRule `json:"base"`
	Markups     []Markup   `json:"markups"`
}

// BaseRule prices a cover. The first rule of a cover whose condition holds
// counts.
type BaseRule struct {
	Cover   string `json:"cover"`
	When    string `json:"when,omitempty"` // an empty condition always holds
	Premium string `json:"premium"`
}

// Markup multiplies the premium of every cover and rounds it to two digits, half
// to even. All markups whose condition holds are applied, in order.
type Markup struct {
	When   string `json:"when,omitempty"` // an empty condition always holds
	Factor string `json:"factor"`
}

// CoverPremium is the premium of a cover.
type CoverPremium struct {
	Code    string `json:"code"`
	Premium Money  `json:"premium"`
}

// Pricer is a compiled tariff. It prices covers in the order given; values has
// the answers to all questions of the product.
type Pricer interface {
	Price(covers []string, values map[string]Value) ([]CoverPremium, error)
}

// Compile compiles a tariff. It returns ErrTariffInvalid if the tariff cannot
// price the product.
type Compile func(*Product, Tariff) (Pricer, error)

// The errors of a tariff.
var (
	ErrTariffInvalid  = fault.New(fault.Invalid, "tariff-invalid", "Tariff of product %s, %s: %s.")
	ErrTariffConflict = fault.New(fault.Conflict, "tariff-conflict",
		"The tariff of product %s was changed by another administrator: its version is %d.")
)

// Change replaces the rules by the rules of another tariff. The Version of the
// other tariff is the version to replace; 0 replaces any.
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

// The errors of a price.
var (
	ErrNotPriced        = fault.New(fault.Invalid, "cover-not-priced", "Cover %s has no price for these answers.")
	ErrInexact          = fault.New(fault.Invalid, "price-inexact", "These answers have no price that can be computed exactly.")
	ErrPriceNotPositive = fault.New(fault.Invalid, "price-not-positive",
		"These covers cost %s with these answers; an offer costs something.")
)
