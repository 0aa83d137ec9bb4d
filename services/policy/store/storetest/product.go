package storetest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
	"parley.internal/policy"
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
	return f.Activate(ctx, nil, code, (*policy.Product).Activate)
}

func (f *fixture) product(t *testing.T, code string) policy.Product {
	t.Helper()
	catalogue, err := f.Catalogue(t.Context())
	must(t, err)
	i := slices.IndexFunc(catalogue.Products, func(p policy.Product) bool { return p.Code == code })
	return catalogue.Products[i]
}

// told is the type, key and data of each event in the outbox.
func (f *fixture) told(t *testing.T) []string {
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
		t.Errorf("the status is %s", got)
	}
	for code, want := range map[string]error{"PET": policy.ErrProductActive, "NONE": policy.ErrProductUnknown} {
		if err := f.activate(ctx, code); !errors.Is(err, want) {
			t.Errorf("%s: error %v, want %v", code, err, want)
		}
	}
	want := []string{`ProductActivated PET {"productCode":"PET","productName":"Happy Pet"}`}
	if diff := cmp.Diff(want, f.told(t)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func concurrentActivations(t *testing.T, f *fixture) {
	results := make([]error, 8)
	var group errgroup.Group
	for i := range results {
		group.Go(func() error {
			results[i] = f.activate(t.Context(), "PET")
			return nil
		})
	}
	must(t, group.Wait())
	f.oneWon(t, results, policy.ErrProductActive)
}

// oneWon is the check after a race.
func (f *fixture) oneWon(t *testing.T, results []error, lost error) {
	t.Helper()
	won := 0
	for _, err := range results {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, lost):
			t.Errorf("got error %v", err)
		}
	}
	if events := f.count(t, "outbox_event"); won != 1 || events != 1 {
		t.Errorf("%d won, %d events, want one of each", won, events)
	}
}

// dearer is CAR's tariff with another price.
func dearer(version int, premium string) policy.Tariff {
	return policy.Tariff{Version: version, Base: []policy.BaseRule{{Cover: "C1", Premium: premium}}, Markups: []policy.Markup{}}
}

func (f *fixture) change(ctx context.Context, code string, to policy.Tariff) error {
	return f.ChangeTariff(ctx, nil, code, func(p *policy.Product, t *policy.Tariff) ([]event.Event, error) {
		return t.Change(p, to, compile)
	})
}

func changedTariff(t *testing.T, f *fixture) {
	ctx := t.Context()
	must(t, f.change(ctx, "CAR", dearer(1, "120")))
	must(t, f.change(ctx, "CAR", dearer(0, "130")))
	want := dearer(3, "130")
	want.ProductCode = "CAR"
	got, err := f.Tariff(ctx, "CAR")
	must(t, err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("tariff (-want +got):\n%s", diff)
	}
	told := `TariffChanged CAR {"productCode":"CAR"}`
	if diff := cmp.Diff([]string{told, told}, f.told(t)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func refusedTariff(t *testing.T, f *fixture) {
	ctx := t.Context()
	before, err := f.Catalogue(ctx)
	must(t, err)
	for name, tt := range map[string]struct {
		code string
		to   policy.Tariff
		want error
	}{
		"broken":           {"CAR", dearer(1, "120 *"), policy.ErrTariffInvalid},
		"without a price":  {"HSI", dearer(1, "120"), policy.ErrTariffInvalid},
		"an older version": {"CAR", dearer(2, "120"), policy.ErrTariffConflict},
		"of no product":    {"NONE", dearer(1, "120"), policy.ErrProductUnknown},
	} {
		if err := f.change(ctx, tt.code, tt.to); !errors.Is(err, tt.want) {
			t.Errorf("%s: error %v, want %v", name, err, tt.want)
		}
	}
	if _, err := f.Tariff(ctx, "NONE"); !errors.Is(err, policy.ErrProductUnknown) {
		t.Errorf("the tariff of no product: error %v", err)
	}
	after, err := f.Catalogue(ctx)
	must(t, err)
	if diff := cmp.Diff(before, after); diff != "" || f.count(t, "outbox_event") > 0 || f.changes.Load() > 0 {
		t.Errorf("something changed (-before +after):\n%s", diff)
	}
}

func concurrentTariffs(t *testing.T, f *fixture) {
	results := make([]error, 8)
	var group errgroup.Group
	for i := range results {
		group.Go(func() error {
			results[i] = f.change(t.Context(), "CAR", dearer(1, "120"))
			return nil
		})
	}
	must(t, group.Wait())
	f.oneWon(t, results, policy.ErrTariffConflict)
}

func changedCatalogue(t *testing.T, f *fixture) {
	ctx := t.Context()
	must(t, f.db.InTx(ctx, func(tx *database.Tx) error {
		err := f.Activate(ctx, tx, "PET", (*policy.Product).Activate)
		if f.changes.Load() > 0 {
			t.Error("told before the commit")
		}
		return err
	}))
	must(t, f.change(ctx, "CAR", dearer(1, "120")))
	if f.changes.Load() != 2 {
		t.Errorf("told %d times, want 2", f.changes.Load())
	}
}
