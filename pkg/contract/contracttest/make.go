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

// maker makes values up.
type maker struct {
	rand  *rand.Rand
	known map[string][]any
}

// fitting is a value that fits.
func (m *maker) fitting(s *contract.Schema, name string) any {
	for range 200 {
		if v := m.value(s.Compiled, name); s.Compiled.Validate(v) == nil {
			return v
		}
	}
	panic(fmt.Sprintf("contracttest: 200 values of %s made up, and none fits", s.Compiled.Location))
}

// value aims at one that fits s, of the property or parameter of that name.
func (m *maker) value(s *jsonschema.Schema, name string) any {
	if known := m.known[name]; len(known) > 0 && m.rand.IntN(3) > 0 {
		if v := jsonOf(known[m.rand.IntN(len(known))]); s.Validate(v) == nil {
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
		return s.Enum.Values[m.rand.IntN(len(s.Enum.Values))]
	case len(s.OneOf) > 0:
		return m.value(s.OneOf[m.rand.IntN(len(s.OneOf))], name)
	case len(s.AnyOf) > 0:
		return m.value(s.AnyOf[m.rand.IntN(len(s.AnyOf))], name)
	case s.Types == nil:
		return m.text(s)
	}
	types := s.Types.ToStrings()
	switch types[m.rand.IntN(len(types))] {
	case "object":
		return m.object(s)
	case "array":
		return m.array(s)
	case "integer", "number":
		return m.number(s)
	case "boolean":
		return m.rand.IntN(2) == 0
	case "null":
		return nil
	default:
		return m.text(s)
	}
}

// jsonOf is what a Go value is after it went over the wire.
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

func (m *maker) object(s *jsonschema.Schema) any {
	object := map[string]any{}
	for _, name := range sorted(s.Properties) {
		if slices.Contains(s.Required, name) || m.rand.IntN(2) == 0 {
			object[name] = m.value(s.Properties[name], name)
		}
	}
	switch others := s.AdditionalProperties.(type) {
	case *jsonschema.Schema:
		for i := range m.rand.IntN(4) {
			object["key"+strconv.Itoa(i)] = m.value(others, "")
		}
	case nil: // a client of tomorrow may send more
		if m.rand.IntN(5) == 0 {
			object["x-"+strconv.Itoa(m.rand.IntN(100))] = []any{json.Number("1"), nil, "?"}
		}
	}
	return object
}

func (m *maker) array(s *jsonschema.Schema) any {
	items := s.Items2020
	if items == nil {
		items, _ = s.Items.(*jsonschema.Schema)
	}
	least, most := m.size(s.MinItems, s.MaxItems, 4)
	array := make([]any, least+m.rand.IntN(most-least+1))
	for i := range array {
		if items != nil {
			array[i] = m.value(items, "")
		}
	}
	return array
}

// size is from where to where a size goes; at most usual more than it must.
func (m *maker) size(least, most *int, usual int) (int, int) {
	from, to := 0, usual
	if least != nil {
		from, to = *least, *least+usual
	}
	if most != nil {
		to = min(to, *most)
	}
	return from, to
}

// number is in the bounds, near one of them or near zero.
func (m *maker) number(s *jsonschema.Schema) any {
	step := big.NewRat(1, 1)
	if s.MultipleOf != nil {
		step = s.MultipleOf
	}
	n := big.NewRat(m.rand.Int64N(2000)-1000, 1)
	if m.rand.IntN(3) == 0 {
		n = big.NewRat(m.rand.Int64N(1<<50), 1)
	}
	n.Mul(n, step)
	if s.Minimum != nil && n.Cmp(s.Minimum) < 0 {
		n.Add(s.Minimum, new(big.Rat).Mul(step, big.NewRat(m.rand.Int64N(3), 1)))
	}
	if s.Maximum != nil && n.Cmp(s.Maximum) > 0 {
		n.Sub(s.Maximum, new(big.Rat).Mul(step, big.NewRat(m.rand.Int64N(3), 1)))
	}
	if n.IsInt() {
		return json.Number(n.Num().String())
	}
	return json.Number(n.FloatString(6))
}

// nasty are texts that have hurt somebody.
var nasty = []string{"", " ", "\x00", "'; DROP TABLE policy; --", `"\`, "Zażółć gęślą jaźń", "👩‍👩‍👧", "\u202e", "%00%2f", "../..", "<b>", "null", "{{7*7}}", "\ufeff", "1e5"}

func (m *maker) text(s *jsonschema.Schema) any {
	if s.Format != nil {
		day := time.Date(1900+m.rand.IntN(300), 1, 1+m.rand.IntN(365), m.rand.IntN(24), 0, 0, m.rand.IntN(1000)*1e6, time.UTC)
		switch s.Format.Name {
		case "date":
			return day.Format(time.DateOnly)
		case "date-time":
			return day.Format(time.RFC3339Nano)
		}
	}
	if s.Pattern != nil {
		return rapid.StringMatching(s.Pattern.String()).Example(int(m.rand.Int32()))
	}
	least, most := m.size(s.MinLength, s.MaxLength, 20)
	if text := nasty[m.rand.IntN(len(nasty))]; m.rand.IntN(3) == 0 && len(text) >= least && len(text) <= most {
		return text
	}
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_. "
	text := make([]byte, least+m.rand.IntN(most-least+1))
	for i := range text {
		text[i] = letters[m.rand.IntN(len(letters))]
	}
	return string(text)
}

// parameter is a value that fits, as it is written in a request.
func (m *maker) parameter(p *contract.Parameter) []string {
	for {
		var values []string
		switch v := m.fitting(p.Schema, p.Name).(type) {
		case []any:
			for _, item := range v {
				values = append(values, written(item))
			}
			if !p.Explode {
				values = []string{strings.Join(values, ",")}
			}
		default:
			values = []string{written(v)}
		}
		if sendable(p, values) && len(p.Check(values)) == 0 {
			return values
		}
	}
}

func written(scalar any) string {
	if scalar == nil {
		return ""
	}
	return fmt.Sprint(scalar)
}

// sendable tells what HTTP cannot carry: some bytes in a header, a segment of a
// path that is none. An escaped slash alone is none to http.ServeMux.
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

// target is the path and the query of a request.
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
