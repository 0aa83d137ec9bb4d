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
func normalizeHolder(h *Holder, a *Address) error {
	return normalizeAll(
		field{"policyHolder.firstName", &h.FirstName},
		field{"policyHolder.lastName", &h.LastName},
		field{"policyHolder.taxId", &h.TaxID},
		field{"policyHolderAddress.country", &a.Country},
		field{"policyHolderAddress.zipCode", &a.ZipCode},
		field{"policyHolderAddress.city", &a.City},
		field{"policyHolderAddress.street", &a.Street},
	)
}

type field struct {
	name string
	text *string
}

func normalizeAll(fields ...field) (err error) {
	for _, f := range fields {
		if *f.text, err = normalize(f.name, *f.text); err != nil {
			pointer := "#/" + strings.ReplaceAll(f.name, ".", "/")
			return fault.Of(err).At(fault.Field{Pointer: pointer, Detail: textRule})
		}
	}
	return nil
}
