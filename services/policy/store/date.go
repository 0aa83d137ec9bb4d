package store

import (
	"fmt"

	"parley.internal/policy"
)

// date scans a text column of the form YYYY-MM-DD.
type date struct{ *policy.Date }

// Scan implements sql.Scanner.
func (d date) Scan(value any) error {
	text, ok := value.(string)
	if !ok {
		return fmt.Errorf("%T is not a date", value)
	}
	return d.UnmarshalText([]byte(text))
}
