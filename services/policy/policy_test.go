package policy_test

import (
	"encoding/json"
	"errors"
	"math/big"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"parley.internal/pkg/event"
	"parley.internal/policy"
)

// bought returns the policy of offer(): 100 and 200 from 1 to 6 December.
func bought(changes ...func(*policy.Policy)) *policy.Policy {
	p, _, err := offer().Buy("P-1", anna, home, start)
	if err != nil {
		panic(err)
	}
	for _, change := range changes {
		change(p)
	}
	return p
}

func endedOn(day string) func(*policy.Policy) {
	return func(p *policy.Policy) {
		if _, _, err := p.Terminate(date(day)); err != nil {
			panic(err)
		}
	}
}

func TestTerminationReturnsPremiumOfUnusedDays(t *testing.T) {
	p := bought()
	toReturn, events, err := p.Terminate(date("2026-12-04")) // day 3 of 5
	if err != nil {
		t.Fatal(err)
	}
	if toReturn != 12000 {
		t.Errorf("returned %v, want 120.00", toReturn)
	}
	first := bought().Versions[0]
	want := []policy.Version{first, {
		Number:   2,
		Cover:    policy.Period{From: date("2026-12-01"), To: date("2026-12-04")},
		Validity: policy.Period{From: date("2026-12-05"), To: date("2026-12-06")},
		Covers:   []policy.CoverPremium{{Code: "C1", Premium: 6000}, {Code: "C2", Premium: 12000}},
		Total:    18000,
	}}
	if diff := cmp.Diff(want, p.Versions); diff != "" {
		t.Errorf("versions (-want +got):\n%s", diff)
	}
	wantEvents := []event.Event{policy.PolicyTerminated{PolicyEvent: policy.PolicyEvent{
		PolicyNumber: "P-1", ProductCode: "TRI", PolicyFrom: date("2026-12-01"), PolicyTo: date("2026-12-04"),
		PolicyHolder: anna, TotalPremium: 18000, AgentLogin: "jimmy.solid",
	}, AmountToReturn: 12000}}
	if diff := cmp.Diff(wantEvents, events); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestPolicyIsTerminatedOnceOnCoveredDay(t *testing.T) {
	uncovered := func(p *policy.Policy) { p.Versions[0].Cover.To = date("2026-12-03") }
	tests := map[string]struct {
		policy *policy.Policy
		date   string
		err    error
		text   string
		want   policy.Money
	}{
		"the first day returns everything": {policy: bought(), date: "2026-12-01", want: 30000},
		"the last day returns nothing":     {policy: bought(), date: "2026-12-06", want: 0},
		"a policy is terminated once": {
			policy: bought(endedOn("2026-12-04")), date: "2026-12-03",
			err: policy.ErrPolicyTerminated, text: "Policy P-1 is already terminated",
		},
		"no version before the first day": {
			policy: bought(), date: "2026-11-30",
			err: policy.ErrNoVersionAtDate, text: "No valid policy P-1 version exists at 2026-11-30. Policy cannot be terminated.",
		},
		"no version after the last day": {
			policy: bought(), date: "2026-12-07",
			err: policy.ErrNoVersionAtDate, text: "No valid policy P-1 version exists at 2026-12-07. Policy cannot be terminated.",
		},
		"a valid day that is not covered": {
			policy: bought(uncovered), date: "2026-12-04",
			err: policy.ErrDateNotCovered, text: "Policy P-1 does not cover 2026-12-04. Policy cannot be terminated at this date.",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			versions := len(tt.policy.Versions)
			toReturn, events, err := tt.policy.Terminate(date(tt.date))
			if !errors.Is(err, tt.err) {
				t.Fatalf("got error %v, want %v", err, tt.err)
			}
			if tt.err != nil {
				if err.Error() != tt.text {
					t.Errorf("got %q, want %q", err, tt.text)
				}
				if len(events) != 0 || len(tt.policy.Versions) != versions {
					t.Errorf("failed termination: got events %v and versions %v", events, tt.policy.Versions)
				}
				return
			}
			if toReturn != tt.want || tt.policy.Status != policy.StatusTerminated {
				t.Errorf("returned %v, want %v; policy is %s", toReturn, tt.want, tt.policy.Status)
			}
		})
	}
}

func TestCurrentVersionIsTheOneValidToday(t *testing.T) {
	tests := map[string]struct {
		policy *policy.Policy
		today  string
		want   int
	}{
		"before the cover, the first":              {bought(), "2026-11-20", 1},
		"during the cover, the valid version":      {bought(), "2026-12-03", 1},
		"after the cover, the last":                {bought(), "2027-01-01", 1},
		"terminated, up to that day, the first":    {bought(endedOn("2026-12-04")), "2026-12-04", 1},
		"terminated, from the day after, the last": {bought(endedOn("2026-12-04")), "2026-12-05", 2},
		"terminated, after the old end, the last":  {bought(endedOn("2026-12-04")), "2027-01-01", 2},
		"terminated on the last day, on that day":  {bought(endedOn("2026-12-06")), "2026-12-06", 1},
		"terminated on the last day, later":        {bought(endedOn("2026-12-06")), "2026-12-07", 2},
		"terminated, before the cover":             {bought(endedOn("2026-12-04")), "2026-11-20", 1},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tt.policy.Current(date(tt.today)); got.Number != tt.want {
				t.Errorf("got version %d, want %d", got.Number, tt.want)
			}
		})
	}
}

// exactPremium is the premium of the used days by the original's formula, as a
// fraction: it is not rounded.
func exactPremium(premium policy.Money, unused, days int) *big.Rat {
	p := new(big.Rat).SetInt64(int64(premium))
	return new(big.Rat).Sub(p, new(big.Rat).Mul(p, big.NewRat(int64(unused), int64(days))))
}

func TestTerminationSplitsPremiumExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		days := rapid.IntRange(1, 3653).Draw(t, "days")
		used := rapid.IntRange(0, days).Draw(t, "used")
		premiums := rapid.SliceOfN(rapid.Int64Range(0, int64(policy.MaxMoney/10)), 1, 5).Draw(t, "premiums")

		o := offer(func(o *policy.Offer) {
			o.Period.To = o.Period.From + policy.Date(days)
			o.Covers, o.Total = nil, 0
			for _, premium := range premiums {
				o.Covers = append(o.Covers, policy.CoverPremium{Code: "C", Premium: policy.Money(premium)})
				o.Total += policy.Money(premium)
			}
		})
		p, _, err := o.Buy("P-1", anna, home, start)
		if err != nil {
			t.Fatal(err)
		}
		toReturn, _, err := p.Terminate(o.Period.From + policy.Date(used))
		if err != nil {
			t.Fatal(err)
		}
		terminal := p.Versions[1]
		if toReturn+terminal.Total != o.Total {
			t.Fatalf("returned %v and charged %v, together not %v", toReturn, terminal.Total, o.Total)
		}
		if toReturn < 0 || terminal.Total < 0 {
			t.Fatalf("returned %v and charged %v, want no negative amount", toReturn, terminal.Total)
		}
		for i, c := range terminal.Covers {
			exact := exactPremium(o.Covers[i].Premium, days-used, days)
			off := new(big.Rat).Sub(exact, new(big.Rat).SetInt64(int64(c.Premium)))
			half := off.Abs(off).Cmp(big.NewRat(1, 2))
			if half > 0 || half == 0 && c.Premium%2 != 0 {
				t.Fatalf("premium %v for %d of %d days: got %v, exact value %v minor units", o.Covers[i].Premium, used, days, c.Premium, exact)
			}
		}
	})
}

func TestEventsHaveContractJSON(t *testing.T) {
	p := bought()
	tests := map[string]struct {
		event event.Event
		want  string
	}{
		"PolicyCreated": {
			policy.PolicyCreated{PolicyEvent: policy.PolicyEvent{
				PolicyNumber: "P-1", ProductCode: "TRI", PolicyFrom: date("2026-12-01"), PolicyTo: date("2026-12-06"),
				PolicyHolder: p.Holder, TotalPremium: 30000, AgentLogin: "jimmy.solid",
			}},
			`{"policyNumber":"P-1","productCode":"TRI","policyFrom":"2026-12-01","policyTo":"2026-12-06",` +
				`"policyHolder":{"firstName":"Anna","lastName":"Nowak","taxId":"78042312345"},` +
				`"totalPremium":300.00,"agentLogin":"jimmy.solid"}`,
		},
		"PolicyTerminated": {
			policy.PolicyTerminated{PolicyEvent: policy.PolicyEvent{
				PolicyNumber: "P-1", ProductCode: "TRI", PolicyFrom: date("2026-12-01"), PolicyTo: date("2026-12-04"),
				PolicyHolder: p.Holder, TotalPremium: 18000, AgentLogin: "jimmy.solid",
			}, AmountToReturn: 12000},
			`{"policyNumber":"P-1","productCode":"TRI","policyFrom":"2026-12-01","policyTo":"2026-12-04",` +
				`"policyHolder":{"firstName":"Anna","lastName":"Nowak","taxId":"78042312345"},` +
				`"totalPremium":180.00,"agentLogin":"jimmy.solid","amountToReturn":120.00}`,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := json.Marshal(tt.event)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, string(got)); diff != "" {
				t.Errorf("JSON (-want +got):\n%s", diff)
			}
			if tt.event.Type() != name {
				t.Errorf("type %s, want %s", tt.event.Type(), name)
			}
		})
	}
}
