package policy

import (
	"fmt"
	"time"
)

// Date is a day, counted from 1970-01-01. Days are UTC days: the same for all
// agents, wherever they sit. Its text is YYYY-MM-DD.
type Date int32

const secondsOfDay = 24 * 60 * 60

// DateOf is the day, in UTC, that t falls on.
func DateOf(t time.Time) Date {
	year, month, day := t.UTC().Date()
	return Date(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix() / secondsOfDay) //nolint:gosec // Years have four digits.
}

// ParseDate reads a day between 1900-01-01 and 9999-12-31.
func ParseDate(text string) (Date, error) {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil || t.Year() < 1900 {
		return 0, fmt.Errorf("%.40q is not a date: want YYYY-MM-DD, from 1900-01-01 on", text)
	}
	return DateOf(t), nil
}

// Time is the instant the day begins.
func (d Date) Time() time.Time { return time.Unix(int64(d)*secondsOfDay, 0).UTC() }

// AddYears is the same day n years later; for 29 February, if that year has
// none, 1 March.
func (d Date) AddYears(n int) Date { return DateOf(d.Time().AddDate(n, 0, 0)) }

// String is the day as YYYY-MM-DD.
func (d Date) String() string { return d.Time().Format(time.DateOnly) }

// MarshalText writes YYYY-MM-DD.
func (d Date) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what ParseDate reads.
func (d *Date) UnmarshalText(text []byte) error {
	date, err := ParseDate(string(text))
	if err != nil {
		return err
	}
	*d = date
	return nil
}
