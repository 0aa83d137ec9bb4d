package store

import (
	"encoding/json"
	"fmt"

	"parley.internal/policy"
)

// column scans a text column by a function that decodes the text.
type column func(text []byte) error

// Scan implements sql.Scanner.
func (decode column) Scan(value any) error {
	text, ok := value.(string)
	if !ok {
		return fmt.Errorf("%T is not a text", value)
	}
	return decode([]byte(text))
}

// date scans a column of the form YYYY-MM-DD.
func date(d *policy.Date) column { return d.UnmarshalText }

// document scans a column with the JSON of v.
func document(v any) column { return func(text []byte) error { return json.Unmarshal(text, v) } }
