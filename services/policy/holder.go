package policy

import (
	"strings"

	"parley.internal/pkg/fault"
)

// Holder is who the policy is made out to. TaxID is told in events and nowhere
// else: not in a log, a list or an error.
type Holder struct {
	FirstName string `json:"firstName"`
	LastName  string `json:"lastName"`
	TaxID     string `json:"taxId"`
}

// Name is the holder's first and last name.
func (h Holder) Name() string { return h.FirstName + " " + h.LastName }

// String leaves the tax id out, so that no log gets it by accident.
func (h Holder) String() string { return h.Name() }

// Address is where the holder lives.
type Address struct {
	Country string `json:"country"`
	ZipCode string `json:"zipCode"`
	City    string `json:"city"`
	Street  string `json:"street"`
}

func (h Holder) cleaned() (Holder, error) {
	err := cleanAll(
		field{"policyHolder.firstName", &h.FirstName},
		field{"policyHolder.lastName", &h.LastName},
		field{"policyHolder.taxId", &h.TaxID},
	)
	return h, err
}

func (a Address) cleaned() (Address, error) {
	err := cleanAll(
		field{"policyHolderAddress.country", &a.Country},
		field{"policyHolderAddress.zipCode", &a.ZipCode},
		field{"policyHolderAddress.city", &a.City},
		field{"policyHolderAddress.street", &a.Street},
	)
	return a, err
}

type field struct {
	name string
	text *string
}

func cleanAll(fields ...field) error {
	for _, f := range fields {
		text, err := cleaned(f.name, *f.text)
		if err != nil {
			pointer := "#/" + strings.ReplaceAll(f.name, ".", "/")
			return fault.Of(err).At(fault.Field{Pointer: pointer, Detail: textRule})
		}
		*f.text = text
	}
	return nil
}
