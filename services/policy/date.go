package policy

import (
	"fmt"
	"time"
)

// Date is a day, counted from 1970-01-01. Days are days of UTC: the same for all
// agents in all time zones. Their text is YYYY-MM-DD.
type Date int32

const secondsOfDay = 24 * 60 * 60

// DateOf returns the UTC day of t.
func DateOf(t time.Time) Date {
	year, month, day := t.UTC().Date()
	return Date(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix() / secondsOfDay) //nolint:gosec // Years have four digits.
}

// ParseDate parses a day between 1900-01-01 and 9999-12-31.
func ParseDate(text string) (Date, error) {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil || t.Year() < 1900 {
		return 0, fmt.Errorf("%.40q is not a date: want YYYY-MM-DD, from 1900-01-01 on", text)
	}
	return DateOf(t), nil
}

// Time returns the first instant of the day.
func (d Date) Time() time.Time { return time.Unix(int64(d)*secondsOfDay, 0).UTC() }

// AddYears returns the same day n years later, and 1 March for a 29 February that
// the later year does not have.
func (d Date) AddYears(n int) Date { return DateOf(d.Time().AddDate(n, 0, 0)) }

// String returns the day as YYYY-MM-DD.
func (d Date) String() string { return d.Time().Format(time.DateOnly) }

// MarshalText writes YYYY-MM-DD.
func (d Date) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText is ParseDate.
func (d *Date) UnmarshalText(text []byte) (err error) {
	*d, err = ParseDate(string(text))
	return err
}
