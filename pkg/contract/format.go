package contract

import (
	"encoding/json"
	"errors"
	"math/big"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// formats are the formats of OpenAPI beyond JSON Schema.
var formats = []*jsonschema.Format{
	{Name: "int32", Validate: func(v any) error { return inBits(v, 32) }},
	{Name: "int64", Validate: func(v any) error { return inBits(v, 64) }},
}

func inBits(v any, bits int) error {
	number, ok := v.(json.Number)
	if !ok {
		return nil // not a number: a fault of the type
	}
	r, ok := new(big.Rat).SetString(string(number))
	if !ok || !r.IsInt() {
		return nil // not an integer: likewise
	}
	limit := new(big.Int).Lsh(big.NewInt(1), uint(bits-1))
	if n := r.Num(); n.Cmp(limit) >= 0 || n.Cmp(new(big.Int).Neg(limit)) < 0 {
		return errors.New("out of range")
	}
	return nil
}

func formatName(format string) string {
	switch format {
	case "date":
		return "a date, YYYY-MM-DD"
	case "date-time":
		return "an instant, RFC 3339: 2026-11-21T09:30:00Z"
	case "int32", "int64":
		return "an integer of " + format[3:] + " bits"
	default:
		return "of the format " + format
	}
}
