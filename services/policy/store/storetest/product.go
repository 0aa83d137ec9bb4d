package storetest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
	"parley.internal/policy"
	"parley.internal/policy/expression"
)

func seeding(t *testing.T, f *fixture) {
	changed := policy.Catalogue{
		Products: []policy.Product{{Code: "CAR", Name: "Another car", Status: policy.ProductDraft}, {Code: "NEW", Status: policy.ProductActive}},
		Tariffs:  []policy.Tariff{{ProductCode: "NEW"}},
	}
	must(t, f.Seed(t.Context(), changed))
	want, err := policy.Standard()
	must(t, err)
	for i := range want.Tariffs {
		want.Tariffs[i].Version = 1
		if want.Tariffs[i].Markups == nil {
			want.Tariffs[i].Markups = []policy.Markup{}
		}
	}
	want.Products = append(want.Products, changed.Products[1])
	want.Tariffs = append(want.Tariffs, policy.Tariff{ProductCode: "NEW", Version: 1, Markups: []policy.Markup{}})
	slices.SortFunc(want.Products, func(a, b policy.Product) int { return strings.Compare(a.Code, b.Code) })
	slices.SortFunc(want.Tariffs, func(a, b policy.Tariff) int { return strings.Compare(a.ProductCode, b.ProductCode) })
	got, err := f.Catalogue(t.Context())
	must(t, err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("catalogue (-want +got):\n%s", diff)
	}
}

func (f *fixture) activate(ctx context.Context, code string) error {
	return f.inTx(ctx, func(tx policy.Tx) error { return tx.Activate(ctx, code, (*policy.Product).Activate) })
}

func (f *fixture) product(t *testing.T, code string) policy.Product {
	t.Helper()
	catalogue, err := f.Catalogue(t.Context())
	must(t, err)
	i := slices.IndexFunc(catalogue.Products, func(p policy.Product) bool { return p.Code == code })
	return catalogue.Products[i]
}

// events returns the type, partition key and data of each event in the outbox.
func (f *fixture) events(t *testing.T) []string {
	t.Helper()
	events, err := database.All(t.Context(), f.db.Reader(), func(scan func(...any) error) (string, error) {
		var eventType, key string
		var data []byte
		err := scan(&eventType, &key, &data)
		return eventType + " " + key + " " + string(data), err
	}, "SELECT type, partition_key, data FROM outbox_event ORDER BY id")
	must(t, err)
	return events
}

func activation(t *testing.T, f *fixture) {
	ctx := t.Context()
	must(t, f.activate(ctx, "PET"))
	if got := f.product(t, "PET").Status; got != policy.ProductActive {
		t.Errorf("got status %s, want %s", got, policy.ProductActive)
	}
	for code, want := range map[string]error{"PET": policy.ErrProductActive, "NONE": policy.ErrProductUnknown} {
		if err := f.activate(ctx, code); !errors.Is(err, want) {
			t.Errorf("activate %s: got error %v, want %v", code, err, want)
		}
	}
	want := []string{`ProductActivated PET {"productCode":"PET","productName":"Happy Pet"}`}
	if diff := cmp.Diff(want, f.events(t)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func concurrentActivations(t *testing.T, f *fixture) {
	oneSucceeds(t, concurrently(t, func(int) error { return f.activate(t.Context(), "PET") }), policy.ErrProductActive)
	if events := f.count(t, "outbox_event"); events != 1 {
		t.Errorf("got %d events, want 1", events)
	}
}

// carTariff returns a tariff of product CAR.
func carTariff(version int, premium string) policy.Tariff {
	return policy.Tariff{Version: version, Base: []policy.BaseRule{{Cover: "C1", Premium: premium}}, Markups: []policy.Markup{}}
}

func (f *fixture) changeTariff(ctx context.Context, code string, to policy.Tariff) error {
	return f.inTx(ctx, func(tx policy.Tx) error {
		return tx.ChangeTariff(ctx, code, func(p *policy.Product, t *policy.Tariff) ([]event.Event, error) {
			return t.Change(p, to, expression.Compile)
		})
	})
}

func changedTariff(t *testing.T, f *fixture) {
	ctx := t.Context()
	must(t, f.changeTariff(ctx, "CAR", carTariff(1, "120")))
	must(t, f.changeTariff(ctx, "CAR", carTariff(0, "130")))
	want := carTariff(3, "130")
	want.ProductCode = "CAR"
	got, err := f.Tariff(ctx, "CAR")
	must(t, err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("tariff (-want +got):\n%s", diff)
	}
	changed := `TariffChanged CAR {"productCode":"CAR"}`
	if diff := cmp.Diff([]string{changed, changed}, f.events(t)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func rejectedTariff(t *testing.T, f *fixture) {
	ctx := t.Context()
	before, err := f.Catalogue(ctx)
	must(t, err)
	for name, tt := range map[string]struct {
		code string
		to   policy.Tariff
		want error
	}{
		"invalid expression":    {"CAR", carTariff(1, "120 *"), policy.ErrTariffInvalid},
		"cover without a price": {"HSI", carTariff(1, "120"), policy.ErrTariffInvalid},
		"another version":       {"CAR", carTariff(2, "120"), policy.ErrTariffConflict},
		"unknown product":       {"NONE", carTariff(1, "120"), policy.ErrProductUnknown},
	} {
		if err := f.changeTariff(ctx, tt.code, tt.to); !errors.Is(err, tt.want) {
			t.Errorf("%s: got error %v, want %v", name, err, tt.want)
		}
	}
	if _, err := f.Tariff(ctx, "NONE"); !errors.Is(err, policy.ErrProductUnknown) {
		t.Errorf("tariff of an unknown product: got error %v, want ErrProductUnknown", err)
	}
	after, err := f.Catalogue(ctx)
	must(t, err)
	if diff := cmp.Diff(before, after); diff != "" || f.count(t, "outbox_event") > 0 || f.changes.Load() > 0 {
		t.Errorf("got %d events, %d callbacks, changed catalogue (-before +after):\n%s", f.count(t, "outbox_event"), f.changes.Load(), diff)
	}
}

func concurrentTariffs(t *testing.T, f *fixture) {
	oneSucceeds(t, concurrently(t, func(int) error {
		return f.changeTariff(t.Context(), "CAR", carTariff(1, "120"))
	}), policy.ErrTariffConflict)
	if events := f.count(t, "outbox_event"); events != 1 {
		t.Errorf("got %d events, want 1", events)
	}
}

func changedCatalogue(t *testing.T, f *fixture) {
	ctx := t.Context()
	must(t, f.inTx(ctx, func(tx policy.Tx) error {
		err := tx.Activate(ctx, "PET", (*policy.Product).Activate)
		if f.changes.Load() > 0 {
			t.Error("callback before the commit")
		}
		return err
	}))
	must(t, f.changeTariff(ctx, "CAR", carTariff(1, "120")))
	if got := f.changes.Load(); got != 2 {
		t.Errorf("got %d callbacks, want 2", got)
	}
}
