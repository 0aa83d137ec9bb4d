package contract

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/big"
	"net/url"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"parley.internal/pkg/fault"
)

// maxFields limits the faults in an error.
const maxFields = 100

// pointerEscaper escapes a token of a JSON pointer.
var pointerEscaper = strings.NewReplacer("~", "~0", "/", "~1")

// Pointer returns a JSON pointer as a URI fragment.
func Pointer(at []string) string {
	var path strings.Builder
	for _, token := range at {
		path.WriteString("/" + pointerEscaper.Replace(token))
	}
	return "#" + (&url.URL{Fragment: path.String()}).EscapedFragment()
}

// requestError returns an ErrRequest with the first maxFields of at least one field,
// parameters first and without duplicates.
func requestError(fields []fault.Field) error {
	slices.SortStableFunc(fields, func(a, b fault.Field) int {
		return strings.Compare(a.Pointer, b.Pointer)
	})
	fields = slices.Compact(fields)
	first := fields[0]
	return ErrRequest.With(first.Parameter + first.Pointer + " " + first.Detail).At(fields[:min(len(fields), maxFields)]...)
}

// fieldsOf appends the leaves of e to fields.
func fieldsOf(e *jsonschema.ValidationError, fields []fault.Field) []fault.Field {
	switch e.ErrorKind.(type) {
	case *kind.OneOf, *kind.AnyOf:
		return append(fields, alternatives(e)...)
	}
	if len(e.Causes) == 0 {
		return append(fields, leaf(e)...)
	}
	for _, cause := range e.Causes {
		fields = fieldsOf(cause, fields)
	}
	return fields
}

// alternatives returns the faults of the alternatives with the right type: the
// client most likely meant these. Without any, it lists the accepted types.
func alternatives(e *jsonschema.ValidationError) []fault.Field {
	var fields []fault.Field
	var want []string
	for _, cause := range e.Causes {
		if types := typesAt(cause, len(e.InstanceLocation)); types != nil {
			want = append(want, types...)
			continue
		}
		fields = fieldsOf(cause, fields)
	}
	switch {
	case fields != nil:
		return fields
	case want != nil:
		return []fault.Field{{Pointer: Pointer(e.InstanceLocation), Detail: "must be " + typeNames(want)}}
	default:
		return []fault.Field{{Pointer: Pointer(e.InstanceLocation), Detail: "must fit one of the alternatives, and no other"}}
	}
}

// typesAt returns the expected types at the root of an alternative, nil if the
// type was right.
func typesAt(e *jsonschema.ValidationError, depth int) []string {
	if t, ok := e.ErrorKind.(*kind.Type); ok && len(e.InstanceLocation) == depth {
		return t.Want
	}
	for _, cause := range e.Causes {
		if types := typesAt(cause, depth); types != nil {
			return types
		}
	}
	return nil
}

// leaf describes a single fault. The pointer to a missing or unknown property
// names the property, not the surrounding object.
func leaf(e *jsonschema.ValidationError) []fault.Field {
	inside := func(names []string, detail string) []fault.Field {
		fields := make([]fault.Field, len(names))
		for i, name := range names {
			fields[i] = fault.Field{Pointer: Pointer(append(slices.Clone(e.InstanceLocation), name)), Detail: detail}
		}
		return fields
	}
	switch k := e.ErrorKind.(type) {
	case *kind.Required:
		return inside(k.Missing, "is required")
	case *kind.DependentRequired:
		return inside(k.Missing, "is required with "+k.Prop)
	case *kind.AdditionalProperties:
		return inside(k.Properties, "is not known here")
	default:
		return []fault.Field{{Pointer: Pointer(e.InstanceLocation), Detail: detailOf(e.ErrorKind)}}
	}
}

// detailOf describes a fault, to follow the name of a field.
func detailOf(found jsonschema.ErrorKind) string {
	switch k := found.(type) {
	case *kind.Type:
		return "must be " + typeNames(k.Want)
	case *kind.Enum:
		return "must be one of " + list(k.Want)
	case *kind.Const:
		return "must be " + list([]any{k.Want})
	case *kind.Format:
		return "must be " + formatName(k.Want)
	case *kind.Pattern:
		return "must match " + k.Want
	case *kind.MultipleOf:
		return "must be a multiple of " + decimal(k.Want)
	case *kind.UniqueItems:
		return "must not hold the same twice"
	case *kind.FalseSchema, *kind.Not:
		return "is not allowed here"
	case *kind.MinLength:
		return atLeast(k.Want, "characters")
	case *kind.MaxLength:
		return fmt.Sprintf("must have at most %d characters", k.Want)
	case *kind.MinItems:
		return atLeast(k.Want, "items")
	case *kind.MaxItems:
		return fmt.Sprintf("must have at most %d items", k.Want)
	case *kind.MinProperties:
		return atLeast(k.Want, "properties")
	case *kind.MaxProperties:
		return fmt.Sprintf("must have at most %d properties", k.Want)
	case *kind.Minimum:
		return "must be at least " + decimal(k.Want)
	case *kind.Maximum:
		return "must be at most " + decimal(k.Want)
	case *kind.ExclusiveMinimum:
		return "must be more than " + decimal(k.Want)
	case *kind.ExclusiveMaximum:
		return "must be less than " + decimal(k.Want)
	default:
		return "does not fit: " + strings.Join(found.KeywordPath(), " ")
	}
}

func atLeast(n int, things string) string {
	if n == 1 {
		return "must not be empty"
	}
	return fmt.Sprintf("must have at least %d %s", n, things)
}

var names = map[string]string{
	"array": "an array", "boolean": "a boolean", "integer": "an integer", "null": "null",
	"number": "a number", "object": "an object", "string": "a string",
}

func typeNames(types []string) string {
	words := make([]string, len(types))
	for i, t := range types {
		words[i] = names[t]
	}
	// null comes last
	slices.SortStableFunc(words, func(a, b string) int {
		return cmp.Compare(strings.Count(a, "null"), strings.Count(b, "null"))
	})
	return strings.Join(words, " or ")
}

func list(values []any) string {
	words := make([]string, len(values))
	for i, value := range values {
		word, err := json.Marshal(value)
		if text, ok := value.(string); ok || err != nil {
			word = []byte(text)
		}
		words[i] = string(word)
	}
	return strings.Join(words, ", ")
}

func decimal(r *big.Rat) string {
	if r.IsInt() {
		return r.Num().String()
	}
	return strings.TrimRight(r.FloatString(10), "0")
}
