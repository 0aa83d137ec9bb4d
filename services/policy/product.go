package policy

import (
	"slices"

	"parley.internal/pkg/event"
	"parley.internal/pkg/fault"
)

// Product is something that can be insured, as a customer reads it. Products
// are data: their JSON is what the database keeps and what the front end gets.
type Product struct {
	Code               string        `json:"code"`
	Name               string        `json:"name"`
	Image              string        `json:"image"`
	Description        string        `json:"description"`
	Icon               string        `json:"icon"` // a name of lucide's
	MaxNumberOfInsured int           `json:"maxNumberOfInsured"`
	Status             ProductStatus `json:"status"`
	Covers             []Cover       `json:"covers"`
	Questions          []Question    `json:"questions"`
}

// ProductStatus says who sees a product.
type ProductStatus string

// A draft is seen by administrators and sold by nobody.
const (
	ProductDraft  ProductStatus = "draft"
	ProductActive ProductStatus = "active"
)

// Cover is one risk that a product insures. Which covers an offer has is the
// agent's choice; Optional marks what most customers may do without.
type Cover struct {
	Code        string `json:"code"`
	Name        string `json:"name"`
	Description string `json:"description"`
	Optional    bool   `json:"optional"`
	SumInsured  *Money `json:"sumInsured,omitempty"`
}

// What is wrong with a product that is asked for.
var (
	ErrProductUnknown   = fault.New(fault.NotFound, "product-unknown", "There is no such product.")
	ErrProductNotActive = fault.New(fault.Conflict, "product-not-active", "Product %s is not sold yet.")
	ErrProductActive    = fault.New(fault.Conflict, "product-active", "Product %s is sold already.")
)

// Activate puts a draft on sale.
func (p *Product) Activate() ([]event.Event, error) {
	if p.Status == ProductActive {
		return nil, ErrProductActive.With(p.Code)
	}
	p.Status = ProductActive
	return []event.Event{ProductActivated{ProductCode: p.Code, ProductName: p.Name}}, nil
}

// What is wrong with the covers that an offer is to have.
var (
	ErrCoverMissing  = fault.New(fault.Invalid, "cover-missing", "Choose at least one cover of product %s.")
	ErrCoverUnknown  = fault.New(fault.Invalid, "cover-unknown", "Product %s has no cover %s.")
	ErrCoverRepeated = fault.New(fault.Invalid, "cover-repeated", "Cover %s is chosen more than once.")
)

// chosen refuses covers that the product does not have, and returns the others
// in the order of the product.
func (p *Product) chosen(codes []string) ([]string, error) {
	if len(codes) == 0 {
		return nil, ErrCoverMissing.With(p.Code)
	}
	var inOrder []string
	for _, cover := range p.Covers {
		if slices.Contains(codes, cover.Code) {
			inOrder = append(inOrder, cover.Code)
		}
	}
	for i, code := range codes {
		switch {
		case !slices.Contains(inOrder, code):
			return nil, ErrCoverUnknown.With(p.Code, quoted(code))
		case slices.Contains(codes[:i], code):
			return nil, ErrCoverRepeated.With(code)
		}
	}
	return inOrder, nil
}
