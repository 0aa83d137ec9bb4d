package policy

import (
	_ "embed"
	"encoding/json"
	"fmt"
)

//go:embed products.json
var products []byte

// Catalogue is a list of products and a list of their tariffs, one per product.
type Catalogue struct {
	Products []Product `json:"products"`
	Tariffs  []Tariff  `json:"tariffs"`
}

// Standard returns the embedded catalogue. A new database starts with it.
func Standard() (Catalogue, error) {
	var catalogue Catalogue
	if err := json.Unmarshal(products, &catalogue); err != nil {
		return Catalogue{}, fmt.Errorf("read products.json: %w", err)
	}
	return catalogue, nil
}
