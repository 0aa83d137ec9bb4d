package policy

import (
	"strings"

	"parley.internal/pkg/fault"
)

// Holder is the policy holder. Only events contain the TaxID: no log, list or
// error does.
type Holder struct {
	FirstName string `json:"firstName"`
	LastName  string `json:"lastName"`
	TaxID     string `json:"taxId"`
}

// Name returns the first and last name.
func (h Holder) Name() string { return h.FirstName + " " + h.LastName }

// String leaves the tax id out, so that logs never contain it.
func (h Holder) String() string { return h.Name() }

// Address is the policy holder's address.
type Address struct {
	Country string `json:"country"`
	ZipCode string `json:"zipCode"`
	City    string `json:"city"`
	Street  string `json:"street"`
}

// normalizeHolder normalizes the texts of a policy holder and the address.
func normalizeHolder(h *Holder, a *Address) (err error) {
	for _, field := range []struct {
		name string
		text *string
	}{
		{"policyHolder.firstName", &h.FirstName},
		{"policyHolder.lastName", &h.LastName},
		{"policyHolder.taxId", &h.TaxID},
		{"policyHolderAddress.country", &a.Country},
		{"policyHolderAddress.zipCode", &a.ZipCode},
		{"policyHolderAddress.city", &a.City},
		{"policyHolderAddress.street", &a.Street},
	} {
		if *field.text, err = normalize(field.name, *field.text); err != nil {
			pointer := "#/" + strings.ReplaceAll(field.name, ".", "/")
			return fault.Of(err).At(fault.Field{Pointer: pointer, Detail: textRule})
		}
	}
	return nil
}
