package storetest

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley.internal/policy"
)

func seeding(t *testing.T, f *fixture) {
	ctx := t.Context()
	changed := policy.Catalogue{
		Products: []policy.Product{{Code: "CAR", Name: "Another car", Status: policy.ProductDraft}, {Code: "NEW", Status: policy.ProductActive}},
		Tariffs:  []policy.Tariff{{ProductCode: "NEW"}},
	}
	must(t, f.Seed(ctx, changed))
	car, err := f.Product(ctx, jimmy, "CAR")
	must(t, err)
	if car.Name != "Happy Driver" || car.Status != policy.ProductActive {
		t.Errorf("got %v", car)
	}
	if _, err := f.Product(ctx, jimmy, "NEW"); err != nil {
		t.Errorf("what was missing is still missing: %v", err)
	}
}

func drafts(t *testing.T, f *fixture) {
	ctx := t.Context()
	for viewer, want := range map[policy.Viewer][]string{
		jimmy: {"CAR", "FAI", "HSI", "TRI"},
		admin: {"CAR", "FAI", "HSI", "PET", "TRI"},
	} {
		var got []string
		for after := ""; ; after = got[len(got)-1] {
			page, err := f.Products(ctx, viewer, after, 2)
			must(t, err)
			for _, product := range page {
				got = append(got, product.Code)
			}
			if len(page) < 2 {
				break
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("products of %s (-want +got):\n%s", viewer.Login, diff)
		}
		_, err := f.Product(ctx, viewer, "PET")
		if sees := slices.Contains(want, "PET"); sees != (err == nil) || !sees && !errors.Is(err, policy.ErrProductUnknown) {
			t.Errorf("%s reads a draft: error %v", viewer.Login, err)
		}
	}
	if _, _, err := f.Tariff(ctx, "XXX"); !errors.Is(err, policy.ErrProductUnknown) {
		t.Errorf("the tariff of no product: error %v", err)
	}
}

func changedTariff(t *testing.T, f *fixture) {
	ctx := t.Context()
	price := func() policy.Money {
		t.Helper()
		product, tariff, err := f.Tariff(ctx, "CAR")
		must(t, err)
		again, same, err := f.Tariff(ctx, "CAR")
		must(t, err)
		if same != tariff || again != product {
			t.Error("a tariff that did not change was compiled twice")
		}
		premiums, err := tariff.Price([]string{"C1"}, map[string]policy.Value{"NUM_OF_CLAIM": {Numeric: true}})
		must(t, err)
		return premiums[0].Premium
	}
	if got := price(); got != 10000 {
		t.Errorf("got %v, want 100.00", got)
	}
	f.exec(t, `UPDATE tariff SET rules = $1 WHERE product_code = 'CAR'`, `{"base":[{"cover":"C1","premium":"120"}]}`)
	if got := price(); got != 12000 {
		t.Errorf("got %v, want 120.00", got)
	}
}
