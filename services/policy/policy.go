// Package policy is what an insurance company's agents sell: products priced
// by tariffs, offers that are bought once, and the policies they become.
//
// It promises that every rule is kept here, whoever calls: an aggregate refuses
// first, then changes, then says what happened. It does no I/O.
package policy

import (
	"time"

	"parley.internal/pkg/event"
	"parley.internal/pkg/fault"
)

// Policy is an offer that was bought. It changes by adding versions; one that
// was added never changes.
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

// Status says whether the policy runs to its end.
type Status string

// A terminated policy still covers the days up to its termination.
const (
	StatusActive     Status = "Active"
	StatusTerminated Status = "Terminated"
)

// Version is what was agreed: the days covered and the premiums, and the days
// for which the agreement is the one to look at.
type Version struct {
	Number   int
	Cover    Period
	Validity Period // empty when a policy is terminated on its last day
	Covers   []CoverPremium
	Total    Money
}

// Why a policy is not terminated.
var (
	ErrPolicyUnknown    = fault.New(fault.NotFound, "policy-unknown", "There is no such policy.")
	ErrPolicyTerminated = fault.New(fault.Conflict, "policy-terminated", "Policy %s is already terminated")
	ErrNoVersionAtDate  = fault.New(fault.Conflict, "no-version-at-date",
		"No valid policy %s version exists at %s. Policy cannot be terminated.")
	ErrPolicyChanged = fault.New(fault.Conflict, "policy-changed",
		"Policy %s was changed by somebody else meanwhile. Try again.")
	ErrDateNotCovered = fault.New(fault.Conflict, "date-not-covered",
		"Policy %s does not cover %s. Policy cannot be terminated at this date.")
)

// Terminate ends the cover after date and returns the money to return for the
// days that are not used. The last day of the cover returns 0.00.
func (p *Policy) Terminate(date Date) (Money, []event.Event, error) {
	if p.Status == StatusTerminated {
		return 0, nil, ErrPolicyTerminated.With(p.Number)
	}
	version := p.at(date)
	switch {
	case version == nil:
		return 0, nil, ErrNoVersionAtDate.With(p.Number, date)
	case !version.Cover.Holds(date):
		return 0, nil, ErrDateNotCovered.With(p.Number, date)
	}
	terminal, err := version.endingOn(date)
	if err != nil {
		return 0, nil, err
	}
	toReturn := version.Total - terminal.Total

	terminal.Number = p.Versions[len(p.Versions)-1].Number + 1
	p.Status = StatusTerminated
	p.Versions = append(p.Versions, terminal)
	return toReturn, []event.Event{terminated(p, toReturn)}, nil
}

// Shown is the version that the policy is shown by: the one valid today, else
// the first if today is earlier, else the last.
func (p *Policy) Shown(today Date) *Version {
	switch version := p.at(today); {
	case version != nil:
		return version
	case today < p.Versions[0].Validity.From:
		return &p.Versions[0]
	default:
		return &p.Versions[len(p.Versions)-1]
	}
}

// at is the version with the highest number that is valid at date, or nil.
func (p *Policy) at(date Date) *Version {
	for i := len(p.Versions) - 1; i >= 0; i-- {
		if p.Versions[i].Validity.Holds(date) {
			return &p.Versions[i]
		}
	}
	return nil
}

// endingOn is the version that follows v when its cover ends on date. Of each
// premium the share of the days used stays.
func (v *Version) endingOn(date Date) (Version, error) {
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
