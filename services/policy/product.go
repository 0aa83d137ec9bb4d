package policy

import (
	"slices"

	"parley.internal/pkg/event"
	"parley.internal/pkg/fault"
)

// Product is an insurance product as shown to customers. Products are data: the
// database and the front end get the same JSON.
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

// ProductStatus says whether a product is sold.
type ProductStatus string

// A draft is not sold and only administrators see it.
const (
	ProductDraft  ProductStatus = "draft"
	ProductActive ProductStatus = "active"
)

// Cover is a risk that a product insures. The agent selects the covers of an
// offer; Optional marks covers that most customers do not need.
type Cover struct {
	Code        string `json:"code"`
	Name        string `json:"name"`
	Description string `json:"description"`
	Optional    bool   `json:"optional"`
	SumInsured  *Money `json:"sumInsured,omitempty"`
}

// The errors of a product.
var (
	ErrProductUnknown   = fault.New(fault.NotFound, "product-unknown", "There is no such product.")
	ErrProductNotActive = fault.New(fault.Conflict, "product-not-active", "Product %s is not sold yet.")
	ErrProductActive    = fault.New(fault.Conflict, "product-active", "Product %s is sold already.")
)

// Activate begins the sale of a draft.
func (p *Product) Activate() ([]event.Event, error) {
	if p.Status == ProductActive {
		return nil, ErrProductActive.With(p.Code)
	}
	p.Status = ProductActive
	return []event.Event{ProductActivated{ProductCode: p.Code, ProductName: p.Name}}, nil
}

// The errors of the selected covers.
var (
	ErrCoverMissing  = fault.New(fault.Invalid, "cover-missing", "Choose at least one cover of product %s.")
	ErrCoverUnknown  = fault.New(fault.Invalid, "cover-unknown", "Product %s has no cover %s.")
	ErrCoverRepeated = fault.New(fault.Invalid, "cover-repeated", "Cover %s is chosen more than once.")
)

// selectCovers returns the selected covers in the order of the product. It
// rejects unknown and repeated covers.
func (p *Product) selectCovers(codes []string) ([]string, error) {
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
			return nil, ErrCoverUnknown.With(p.Code, quote(code))
		case slices.Contains(codes[:i], code):
			return nil, ErrCoverRepeated.With(code)
		}
	}
	return inOrder, nil
}
