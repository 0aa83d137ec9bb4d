package policy

import "parley.internal/pkg/fault"

// Period is a number of days, From and To inclusive.
type Period struct{ From, To Date }

const maxYears = 10

// lastDay is the last possible end of a period: the version after a termination
// begins on the next day, and every day must be a valid date.
var lastDay = DateOf(Date(0).Time().AddDate(9999-1970, 0, -1))

// The errors of a period to insure.
var (
	ErrPeriodEmpty = fault.New(fault.Invalid, "period-empty",
		"The policy must end after it begins; it would begin at %s and end at %s.")
	ErrPeriodTooLong = fault.New(fault.Invalid, "period-too-long",
		"A policy covers at most 10 years and ends before the year 9999; this one would cover %s to %s.")
)

// check rejects a period that cannot be insured. A period of one day cannot be:
// Days would be 0, and premiums are divided by Days.
func (p Period) check() error {
	switch {
	case p.From >= p.To:
		return ErrPeriodEmpty.With(p.From, p.To)
	case p.To > p.From.AddYears(maxYears) || p.To > lastDay:
		return ErrPeriodTooLong.With(p.From, p.To)
	}
	return nil
}

// Contains reports whether d is in the period.
func (p Period) Contains(d Date) bool { return p.From <= d && d <= p.To }

// Days returns To - From: a period that ends on its first day has 0 days.
func (p Period) Days() int { return int(p.To - p.From) }
