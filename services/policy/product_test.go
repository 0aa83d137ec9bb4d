package policy_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley.internal/pkg/event"
	"parley.internal/policy"
)

func TestDraftIsActivatedOnce(t *testing.T) {
	pet := policy.Product{Code: "PET", Name: "Happy Pet", Status: policy.ProductDraft}
	events, err := pet.Activate()
	want := []event.Event{policy.ProductActivated{ProductCode: "PET", ProductName: "Happy Pet"}}
	if diff := cmp.Diff(want, events); err != nil || diff != "" || pet.Status != policy.ProductActive {
		t.Errorf("status %s, error %v, events (-want +got):\n%s", pet.Status, err, diff)
	}
	if events, err := pet.Activate(); !errors.Is(err, policy.ErrProductActive) || len(events) > 0 {
		t.Errorf("second activation: got events %v, error %v", events, err)
	}
}

func TestTariffChangeIsAtomic(t *testing.T) {
	car := &policy.Product{Code: "CAR"}
	rules := []policy.BaseRule{{Cover: "C1", Premium: "2"}}
	invalid := policy.ErrTariffInvalid.With("CAR", "here", "why")
	tests := map[string]struct {
		version int   // to replace
		invalid error // of the new tariff
		want    error
	}{
		"any version":         {version: 0},
		"the current version": {version: 3},
		"an older version":    {version: 2, want: policy.ErrTariffConflict},
		"a newer version":     {version: 4, want: policy.ErrTariffConflict},
		"an invalid tariff":   {version: 3, invalid: invalid, want: policy.ErrTariffInvalid},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			before := policy.Tariff{ProductCode: "CAR", Version: 3, Base: []policy.BaseRule{{Cover: "C1", Premium: "1"}}}
			after := before
			// The product in the new tariff is ignored.
			to := policy.Tariff{ProductCode: "TRI", Version: tt.version, Base: rules}
			events, err := after.Change(car, to, func(p *policy.Product, to policy.Tariff) (policy.Pricer, error) {
				if p != car || to.ProductCode != "CAR" || !cmp.Equal(to.Base, rules) {
					t.Errorf("compiled %v for %s", to, p.Code)
				}
				return nil, tt.invalid
			})
			want, wantEvents := policy.Tariff{ProductCode: "CAR", Version: 4, Base: rules}, []event.Event{policy.TariffChanged{ProductCode: "CAR"}}
			if tt.want != nil {
				want, wantEvents = before, nil
			}
			if !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
			if diff := cmp.Diff(want, after) + cmp.Diff(wantEvents, events); diff != "" {
				t.Errorf("tariff and events (-want +got):\n%s", diff)
			}
		})
	}
}
