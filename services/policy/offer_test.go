package policy_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley.internal/pkg/event"
	"parley.internal/pkg/fault"
	"parley.internal/policy"
)

var (
	start = time.Date(2026, 11, 20, 9, 30, 0, 0, time.UTC)
	year  = policy.Period{From: date("2026-12-01"), To: date("2027-11-30")}
	anna  = policy.Holder{FirstName: "Anna", LastName: "Nowak", TaxID: "78042312345"}
	home  = policy.Address{Country: "PL", ZipCode: "00-001", City: "Warszawa", Street: "Chłodna 52"}
)

func day(n int) time.Time { return start.AddDate(0, 0, n) }

func date(text string) policy.Date {
	d, err := policy.ParseDate(text)
	if err != nil {
		panic(err)
	}
	return d
}

func product(t *testing.T, code string) policy.Product {
	t.Helper()
	catalogue, err := policy.Standard()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range catalogue.Products {
		if p.Code == code {
			return p
		}
	}
	t.Fatalf("no product %s in the standard catalogue", code)
	return policy.Product{}
}

// offer returns an offer of covers for 100 and 200 over 5 days.
func offer(changes ...func(*policy.Offer)) *policy.Offer {
	o := &policy.Offer{
		Number:      "O-1",
		ProductCode: "TRI",
		Period:      policy.Period{From: date("2026-12-01"), To: date("2026-12-06")},
		Covers:      []policy.CoverPremium{{Code: "C1", Premium: 10000}, {Code: "C2", Premium: 20000}},
		Total:       30000,
		AgentLogin:  "jimmy.solid",
		CreatedAt:   start,
		Status:      policy.OfferNew,
	}
	for _, change := range changes {
		change(o)
	}
	return o
}

func converted(o *policy.Offer) { o.Status = policy.OfferConverted }
func rejected(o *policy.Offer)  { o.Status = policy.OfferRejected }

func TestOfferIsBoughtOnceWithinThirtyDays(t *testing.T) {
	const expired = "Offer O-1 has expired"
	const notNew = "Offer O-1 is not in new status and cannot be bought"
	tests := map[string]struct {
		offer *policy.Offer
		now   time.Time
		err   error
		text  string
	}{
		"a new offer is bought":               {offer: offer(), now: day(0)},
		"the thirtieth day is still in time":  {offer: offer(), now: day(30)},
		"a moment later is too late":          {offer: offer(), now: day(30).Add(1), err: policy.ErrOfferExpired, text: expired},
		"the day after is too late":           {offer: offer(), now: day(31), err: policy.ErrOfferExpired, text: expired},
		"an offer is bought once":             {offer: offer(converted), now: day(0), err: policy.ErrOfferNotNew, text: notNew},
		"a rejected offer is not bought":      {offer: offer(rejected), now: day(0), err: policy.ErrOfferNotNew, text: notNew},
		"expiry is checked before the status": {offer: offer(converted), now: day(31), err: policy.ErrOfferExpired, text: expired},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			before := *tt.offer
			p, events, err := tt.offer.Buy("P-1", anna, home, tt.now)
			if !errors.Is(err, tt.err) {
				t.Fatalf("got error %v, want %v", err, tt.err)
			}
			if tt.err != nil {
				if p != nil || len(events) != 0 || !cmp.Equal(before, *tt.offer) {
					t.Fatalf("failed purchase: got policy %v, events %v, offer %v", p, events, tt.offer)
				}
				if err.Error() != tt.text {
					t.Errorf("got %q, want %q", err, tt.text)
				}
				return
			}
			want := policy.PolicyCreated{PolicyEvent: policy.PolicyEvent{
				PolicyNumber: "P-1", ProductCode: "TRI", PolicyFrom: date("2026-12-01"), PolicyTo: date("2026-12-06"),
				PolicyHolder: anna, TotalPremium: 30000, AgentLogin: "jimmy.solid",
			}}
			if !slices.Contains(events, event.Event(want)) { // Other events may be added.
				t.Errorf("got events %v, want %v among them", events, want)
			}
			if tt.offer.Status != policy.OfferConverted {
				t.Errorf("got offer status %s, want Converted", tt.offer.Status)
			}
		})
	}
}

func TestOfferBecomesFirstVersionOfPolicy(t *testing.T) {
	o := offer()
	got, _, err := o.Buy("P-1", anna, home, day(1))
	if err != nil {
		t.Fatal(err)
	}
	want := &policy.Policy{
		Number: "P-1", OfferNumber: "O-1", ProductCode: "TRI", Holder: anna, Address: home,
		AgentLogin: "jimmy.solid", CreatedAt: day(1), Status: policy.StatusActive,
		Versions: []policy.Version{{Number: 1, Cover: o.Period, Validity: o.Period, Covers: o.Covers, Total: 30000}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("policy (-want +got):\n%s", diff)
	}
}

func TestPolicyHolderTextsAreRequired(t *testing.T) {
	tests := map[string]func(*policy.Holder, *policy.Address){
		"no first name":                 func(h *policy.Holder, _ *policy.Address) { h.FirstName = "" },
		"a blank last name":             func(h *policy.Holder, _ *policy.Address) { h.LastName = " \t " },
		"no tax id":                     func(h *policy.Holder, _ *policy.Address) { h.TaxID = "" },
		"a tax id with a line break":    func(h *policy.Holder, _ *policy.Address) { h.TaxID = "7804\n2312345" },
		"a first name too long":         func(h *policy.Holder, _ *policy.Address) { h.FirstName = strings.Repeat("ł", 201) },
		"a first name of invalid UTF-8": func(h *policy.Holder, _ *policy.Address) { h.FirstName = "\xff" },
		"no country":                    func(_ *policy.Holder, a *policy.Address) { a.Country = "" },
		"no zip code":                   func(_ *policy.Holder, a *policy.Address) { a.ZipCode = "" },
		"no city":                       func(_ *policy.Holder, a *policy.Address) { a.City = "" },
		"a street with a NUL":           func(_ *policy.Holder, a *policy.Address) { a.Street = "x\x00" },
	}
	for name, invalidate := range tests {
		t.Run(name, func(t *testing.T) {
			holder, address, o := anna, home, offer()
			invalidate(&holder, &address)
			p, events, err := o.Buy("P-1", holder, address, day(0))
			if !errors.Is(err, policy.ErrTextInvalid) || p != nil || len(events) != 0 || o.Status != policy.OfferNew {
				t.Fatalf("got %v, %v, error %v, offer %s", p, events, err, o.Status)
			}
			// The rule names all reasons: the text may be present and invalid.
			const rule = "must have 1 to 200 characters, some of them visible, none a control character"
			part, found := strings.CutSuffix(err.Error(), " "+rule+".")
			fields := []fault.Field{{Pointer: "#/" + strings.ReplaceAll(part, ".", "/"), Detail: rule}}
			if diff := cmp.Diff(fields, fault.Of(err).Fields); !found || diff != "" {
				t.Errorf("%v, fields (-want +got):\n%s", err, diff)
			}
			if strings.Contains(err.Error(), "7804") {
				t.Errorf("the error contains the tax id: %v", err)
			}
		})
	}
	t.Run("space around a name is trimmed", func(t *testing.T) {
		holder := anna
		holder.FirstName = "  Anna "
		p, _, err := offer().Buy("P-1", holder, home, day(0))
		if err != nil || p.Holder.Name() != "Anna Nowak" {
			t.Errorf("got %v, error %v", p, err)
		}
	})
	t.Run("200 characters are allowed", func(t *testing.T) {
		holder := anna
		holder.LastName = strings.Repeat("ł", 200)
		if _, _, err := offer().Buy("P-1", holder, home, day(0)); err != nil {
			t.Error(err)
		}
	})
}

func TestOfferNeedsValidPeriodCoversAndPrice(t *testing.T) {
	claims := []policy.Answer{answer("NUM_OF_CLAIM", policy.QuestionNumeric, "0"), answer("TYP", policy.QuestionChoice, `"ZB"`), answer("AREA", policy.QuestionNumeric, "1")}
	period := func(from, to string) policy.Period { return policy.Period{From: date(from), To: date(to)} }
	tests := map[string]struct {
		period policy.Period
		covers []string
		price  policy.Money
		err    error
	}{
		"all covers":                 {year, []string{"C1", "C2", "C3", "C4"}, 1, nil},
		"one cover":                  {year, []string{"C2"}, 1, nil},
		"ten years":                  {period("2026-01-01", "2036-01-01"), []string{"C1"}, 1, nil},
		"two days":                   {period("2026-01-01", "2026-01-02"), []string{"C1"}, 1, nil},
		"one day":                    {period("2026-01-01", "2026-01-01"), []string{"C1"}, 1, policy.ErrPeriodEmpty},
		"the end before the start":   {period("2026-01-02", "2026-01-01"), []string{"C1"}, 1, policy.ErrPeriodEmpty},
		"ten years and a day":        {period("2026-01-01", "2036-01-02"), []string{"C1"}, 1, policy.ErrPeriodTooLong},
		"the last date":              {period("9999-01-01", "9999-12-31"), []string{"C1"}, 1, policy.ErrPeriodTooLong},
		"no cover":                   {year, nil, 1, policy.ErrCoverMissing},
		"a cover of another product": {year, []string{"C1", "C5"}, 1, policy.ErrCoverUnknown},
		"a repeated cover":           {year, []string{"C1", "C2", "C1"}, 1, policy.ErrCoverRepeated},
		"a price of zero":            {year, []string{"C1"}, 0, policy.ErrPriceNotPositive},
		"a negative price":           {year, []string{"C1"}, -1, policy.ErrPriceNotPositive},
		"too large a price":          {year, []string{"C1", "C2"}, policy.MaxMoney, policy.ErrAmountTooLarge},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			farm := product(t, "FAI")
			got, err := farm.Offer(flat(tt.price), policy.OfferRequest{
				OfferNumber: "O-1", AgentLogin: "jimmy.solid", Period: tt.period, Covers: tt.covers, Answers: claims,
			}, start)
			if !errors.Is(err, tt.err) {
				t.Fatalf("got error %v, want %v", err, tt.err)
			}
			if tt.err != nil {
				if got != nil {
					t.Fatalf("failed request: got offer %v", got)
				}
				return
			}
			if got.Total != policy.Money(len(tt.covers)) || got.Status != policy.OfferNew || !got.CreatedAt.Equal(start) {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestCoversAreInProductOrder(t *testing.T) {
	travel := product(t, "TRI")
	got, err := travel.Offer(flat(100), policy.OfferRequest{Period: year, Covers: []string{"C3", "C1"}, Answers: []policy.Answer{
		answer("DESTINATION", policy.QuestionChoice, `"EUR"`),
		answer("NUM_OF_ADULTS", policy.QuestionNumeric, "1"), answer("NUM_OF_CHILDREN", policy.QuestionNumeric, "1"),
	}}, start)
	if err != nil {
		t.Fatal(err)
	}
	want := []policy.CoverPremium{{Code: "C1", Premium: 100}, {Code: "C3", Premium: 100}}
	if diff := cmp.Diff(want, got.Covers); diff != "" {
		t.Errorf("covers (-want +got):\n%s", diff)
	}
}

func TestDraftIsNotSold(t *testing.T) {
	pet := product(t, "PET")
	if o, err := pet.Offer(flat(1), policy.OfferRequest{Period: year, Covers: []string{"C1"}}, start); !errors.Is(err, policy.ErrProductNotActive) {
		t.Errorf("got offer %v, error %v", o, err)
	}
}
