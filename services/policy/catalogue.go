package policy

import (
	_ "embed"
	"encoding/json"
	"fmt"
)

//go:embed products.json
var products []byte

// Catalogue is the products and the tariffs, one for each, that a new database
// starts with.
type Catalogue struct {
	Products []Product `json:"products"`
	Tariffs  []Tariff  `json:"tariffs"`
}

// Standard is the catalogue that comes with the program.
func Standard() (Catalogue, error) {
	var catalogue Catalogue
	if err := json.Unmarshal(products, &catalogue); err != nil {
		return Catalogue{}, fmt.Errorf("read products.json: %w", err)
	}
	return catalogue, nil
}
