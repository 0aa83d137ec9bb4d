package policy

import "parley.internal/pkg/fault"

// Period is the days from From to To, both inclusive.
type Period struct{ From, To Date }

const maxYears = 10

// lastDay leaves room for the day after the end, where a terminal version
// begins: it must be a date as well.
var lastDay = DateOf(Date(0).Time().AddDate(9999-1970, 0, -1))

// What is wrong with a period to insure.
var (
	ErrPeriodEmpty = fault.New(fault.Invalid, "period-empty",
		"The policy must end after it begins; it would begin at %s and end at %s.")
	ErrPeriodTooLong = fault.New(fault.Invalid, "period-too-long",
		"A policy covers at most 10 years and ends before the year 9999; this one would cover %s to %s.")
)

// check refuses what nobody can insure. A period of one day is refused too:
// its premium could not be divided by its days.
func (p Period) check() error {
	switch {
	case p.From >= p.To:
		return ErrPeriodEmpty.With(p.From, p.To)
	case p.To > p.From.AddYears(maxYears) || p.To > lastDay:
		return ErrPeriodTooLong.With(p.From, p.To)
	}
	return nil
}

// Holds reports whether d is in the period.
func (p Period) Holds(d Date) bool { return p.From <= d && d <= p.To }

// Days is the number of days from From to To, as a subtraction gives them: a
// period that ends on the day it begins has none.
func (p Period) Days() int { return int(p.To - p.From) }
