// Package policy is the domain of the policy service: products priced by
// tariffs, offers that are bought once, and policies.
//
// All business rules are here. A method of an aggregate first checks them, then
// changes the aggregate, then returns the events. The package does no I/O.
package policy

import (
	"time"

	"parley.internal/pkg/event"
	"parley.internal/pkg/fault"
)

// Policy is the result of buying an offer. A change adds a version; existing
// versions never change.
type Policy struct {
	Number      string
	OfferNumber string
	ProductCode string
	Holder      Holder
	Address     Address
	AgentLogin  string
	CreatedAt   time.Time
	Status      Status
	Versions    []Version // in the order of their numbers, at least one
}

// Status says whether the policy was terminated early.
type Status string

// A terminated policy covers the days up to its termination.
const (
	StatusActive     Status = "Active"
	StatusTerminated Status = "Terminated"
)

// Version is an agreement about the covered days and the premiums. Validity is
// the period in which the version is the current one.
type Version struct {
	Number   int
	Cover    Period
	Validity Period // empty when a policy is terminated on its last day
	Covers   []CoverPremium
	Total    Money
}

// The reasons not to terminate a policy.
var (
	ErrPolicyUnknown    = fault.New(fault.NotFound, "policy-unknown", "There is no such policy.")
	ErrPolicyTerminated = fault.New(fault.Conflict, "policy-terminated", "Policy %s is already terminated")
	ErrNoVersionAtDate  = fault.New(fault.Conflict, "no-version-at-date",
		"No valid policy %s version exists at %s. Policy cannot be terminated.")
	ErrDateNotCovered = fault.New(fault.Conflict, "date-not-covered",
		"Policy %s does not cover %s. Policy cannot be terminated at this date.")
)

// Terminate ends the cover after date. It returns the premium to return for the
// unused days: 0.00 on the last day of the cover.
func (p *Policy) Terminate(date Date) (Money, []event.Event, error) {
	if p.Status == StatusTerminated {
		return 0, nil, ErrPolicyTerminated.With(p.Number)
	}
	version := p.versionAt(date)
	switch {
	case version == nil:
		return 0, nil, ErrNoVersionAtDate.With(p.Number, date)
	case !version.Cover.Contains(date):
		return 0, nil, ErrDateNotCovered.With(p.Number, date)
	}
	terminal, err := version.terminatedAt(date)
	if err != nil {
		return 0, nil, err
	}
	toReturn := version.Total - terminal.Total

	terminal.Number = p.Newest().Number + 1
	p.Status = StatusTerminated
	p.Versions = append(p.Versions, terminal)
	return toReturn, []event.Event{PolicyTerminated{PolicyEvent: p.event(), AmountToReturn: toReturn}}, nil
}

// Current returns the version that is valid today, else the first if today is
// earlier, else the last.
func (p *Policy) Current(today Date) *Version {
	switch version := p.versionAt(today); {
	case version != nil:
		return version
	case today < p.Versions[0].Validity.From:
		return &p.Versions[0]
	default:
		return p.Newest()
	}
}

// Newest returns the version with the highest number.
func (p *Policy) Newest() *Version { return &p.Versions[len(p.Versions)-1] }

// versionAt returns the version with the highest number that is valid at date,
// nil if none is.
func (p *Policy) versionAt(date Date) *Version {
	for i := len(p.Versions) - 1; i >= 0; i-- {
		if p.Versions[i].Validity.Contains(date) {
			return &p.Versions[i]
		}
	}
	return nil
}

// terminatedAt returns the version that follows v when the cover ends on date.
// Each premium is reduced to the share of the days used.
func (v *Version) terminatedAt(date Date) (Version, error) {
	cover := Period{From: v.Cover.From, To: date}
	premiums := make([]CoverPremium, len(v.Covers))
	for i, c := range v.Covers {
		used := c.Premium.share(uint64(cover.Days()), uint64(v.Cover.Days())) //nolint:gosec // The cover holds date.
		premiums[i] = CoverPremium{Code: c.Code, Premium: used}
	}
	sum, err := total(premiums)
	if err != nil {
		return Version{}, err
	}
	return Version{
		Cover:    cover,
		Validity: Period{From: date + 1, To: v.Cover.To},
		Covers:   premiums,
		Total:    sum,
	}, nil
}

// Cursor is the position after a policy in the list of policies, newest first.
// The zero Cursor is the position before the newest policy.
type Cursor struct {
	CreatedAt time.Time // to the microsecond
	Number    string
}
