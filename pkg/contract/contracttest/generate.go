package contracttest

import (
	"encoding/json"
	"fmt"
	"math/big"
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"parley.internal/pkg/contract"
)

// generator generates values from schemas.
type generator struct {
	rand  *rand.Rand
	known map[string][]any
}

// valid returns a value valid against s, of a property or parameter called name.
func (g *generator) valid(s *contract.Schema, name string) any {
	for range 200 {
		if v := g.value(s.Compiled, name); s.Compiled.Validate(v) == nil {
			return v
		}
	}
	panic(fmt.Sprintf("contracttest: none of 200 generated values of %s is valid", s.Compiled.Location))
}

// value returns a value most likely valid against s.
func (g *generator) value(s *jsonschema.Schema, name string) any {
	if known := g.known[name]; len(known) > 0 && g.rand.IntN(3) > 0 {
		if v := jsonOf(known[g.rand.IntN(len(known))]); s.Validate(v) == nil {
			return v
		}
	}
	for s.Ref != nil && s.Types == nil {
		s = s.Ref
	}
	switch {
	case s.Const != nil:
		return *s.Const
	case s.Enum != nil:
		return s.Enum.Values[g.rand.IntN(len(s.Enum.Values))]
	case len(s.OneOf) > 0:
		return g.value(s.OneOf[g.rand.IntN(len(s.OneOf))], name)
	case len(s.AnyOf) > 0:
		return g.value(s.AnyOf[g.rand.IntN(len(s.AnyOf))], name)
	case s.Types == nil:
		return g.text(s)
	}
	types := s.Types.ToStrings()
	switch types[g.rand.IntN(len(types))] {
	case "object":
		return g.object(s)
	case "array":
		return g.array(s)
	case "integer", "number":
		return g.number(s)
	case "boolean":
		return g.rand.IntN(2) == 0
	case "null":
		return nil
	default:
		return g.text(s)
	}
}

// jsonOf converts a Go value to the JSON value on the wire.
func jsonOf(v any) any {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	if err != nil {
		panic(err)
	}
	return value
}

func (g *generator) object(s *jsonschema.Schema) any {
	object := map[string]any{}
	for _, name := range sorted(s.Properties) {
		if slices.Contains(s.Required, name) || g.rand.IntN(2) == 0 {
			object[name] = g.value(s.Properties[name], name)
		}
	}
	switch others := s.AdditionalProperties.(type) {
	case *jsonschema.Schema:
		for i := range g.rand.IntN(4) {
			object["key"+strconv.Itoa(i)] = g.value(others, "")
		}
	case nil: // newer clients may send unknown properties
		if g.rand.IntN(5) == 0 {
			object["x-"+strconv.Itoa(g.rand.IntN(100))] = []any{json.Number("1"), nil, "?"}
		}
	}
	return object
}

func (g *generator) array(s *jsonschema.Schema) any {
	items := s.Items2020
	if items == nil {
		items, _ = s.Items.(*jsonschema.Schema)
	}
	least, most := g.size(s.MinItems, s.MaxItems, 4)
	array := make([]any, least+g.rand.IntN(most-least+1))
	for i := range array {
		if items != nil {
			array[i] = g.value(items, "")
		}
	}
	return array
}

// size returns the range of a size, at most usual above the minimum.
func (g *generator) size(least, most *int, usual int) (int, int) {
	from, to := 0, usual
	if least != nil {
		from, to = *least, *least+usual
	}
	if most != nil {
		to = min(to, *most)
	}
	return from, to
}

// number returns a number near zero or near a bound.
func (g *generator) number(s *jsonschema.Schema) any {
	step := big.NewRat(1, 1)
	if s.MultipleOf != nil {
		step = s.MultipleOf
	}
	n := big.NewRat(g.rand.Int64N(2000)-1000, 1)
	if g.rand.IntN(3) == 0 {
		n = big.NewRat(g.rand.Int64N(1<<50), 1)
	}
	n.Mul(n, step)
	if s.Minimum != nil && n.Cmp(s.Minimum) < 0 {
		n.Add(s.Minimum, new(big.Rat).Mul(step, big.NewRat(g.rand.Int64N(3), 1)))
	}
	if s.Maximum != nil && n.Cmp(s.Maximum) > 0 {
		n.Sub(s.Maximum, new(big.Rat).Mul(step, big.NewRat(g.rand.Int64N(3), 1)))
	}
	if n.IsInt() {
		return json.Number(n.Num().String())
	}
	return json.Number(n.FloatString(6))
}

// nasty holds strings with a history of breaking software.
var nasty = []string{"", " ", "\x00", "'; DROP TABLE policy; --", `"\`, "Zażółć gęślą jaźń", "👩‍👩‍👧", "\u202e", "%00%2f", "../..", "<b>", "null", "{{7*7}}", "\ufeff", "1e5"}

func (g *generator) text(s *jsonschema.Schema) any {
	if s.Format != nil {
		day := time.Date(1900+g.rand.IntN(300), 1, 1+g.rand.IntN(365), g.rand.IntN(24), 0, 0, g.rand.IntN(1000)*1e6, time.UTC)
		switch s.Format.Name {
		case "date":
			return day.Format(time.DateOnly)
		case "date-time":
			return day.Format(time.RFC3339Nano)
		}
	}
	if s.Pattern != nil {
		return rapid.StringMatching(s.Pattern.String()).Example(int(g.rand.Int32()))
	}
	least, most := g.size(s.MinLength, s.MaxLength, 20)
	if text := nasty[g.rand.IntN(len(nasty))]; g.rand.IntN(3) == 0 && len(text) >= least && len(text) <= most {
		return text
	}
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_. "
	text := make([]byte, least+g.rand.IntN(most-least+1))
	for i := range text {
		text[i] = letters[g.rand.IntN(len(letters))]
	}
	return string(text)
}

// parameter returns a valid value in the notation of a request.
func (g *generator) parameter(p *contract.Parameter) []string {
	for {
		var values []string
		switch v := g.valid(p.Schema, p.Name).(type) {
		case []any:
			for _, item := range v {
				values = append(values, format(item))
			}
			if !p.Explode {
				values = []string{strings.Join(values, ",")}
			}
		default:
			values = []string{format(v)}
		}
		if sendable(p, values) && len(p.Check(values)) == 0 {
			return values
		}
	}
}

func format(scalar any) string {
	if scalar == nil {
		return ""
	}
	return fmt.Sprint(scalar)
}

// sendable reports whether HTTP can carry the values: headers exclude some bytes,
// and http.ServeMux matches no path segment that is empty, dotted or a lone slash.
func sendable(p *contract.Parameter, values []string) bool {
	for _, value := range values {
		switch p.In {
		case "path":
			if value == "" || value == "." || value == ".." || value == "/" {
				return false
			}
		case "header":
			if strings.TrimSpace(value) != value || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' }) {
				return false
			}
		}
	}
	return true
}

// target returns the path and the query of a request.
func target(q *request) string {
	path, query := q.operation.Path, url.Values{}
	for _, p := range q.operation.Parameters {
		values := q.values[p.Name]
		switch {
		case p.In == "path" && len(values) > 0:
			path = strings.ReplaceAll(path, "{"+p.Name+"}", url.PathEscape(values[0]))
		case p.In == "query" && len(values) > 0:
			query[p.Name] = values
		}
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return path
}
