package contract

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode"

	"parley.internal/pkg/fault"
	"parley.internal/pkg/web"
)

const (
	maxDepth    = 100
	maxDigits   = 100 // of a number, exponent included
	maxExponent = 300
)

var errTooDeep = web.ErrBadBody.With("it is nested more than " + strconv.Itoa(maxDepth) + " deep")

// parser decodes JSON and keeps numbers as written. It finds two faults hidden from
// a schema: encoding/json ignores the case of property names and merges duplicate
// properties, so a handler could read a value that validation never saw.
//
// An error ends the parsing; the value is incomplete.
type parser struct {
	decoder *json.Decoder
	names   map[string]string // property names of the schema, by folded name
	at      []string
	fields  []fault.Field
	err     error
}

func (p *parser) fault(detail string) {
	p.fields = append(p.fields, fault.Field{Pointer: Pointer(p.at), Detail: detail})
}

func (p *parser) value() any {
	token, err := p.decoder.Token()
	if err != nil {
		p.err = err
		return nil
	}
	switch t := token.(type) {
	case json.Delim:
		if len(p.at) == maxDepth {
			p.err = errTooDeep
			return nil
		}
		if t == '{' {
			return p.object()
		}
		return p.array()
	case json.Number:
		if isHuge(string(t)) {
			p.fault("has too many digits")
			return json.Number("0")
		}
		return t
	default:
		return t
	}
}

func (p *parser) object() any {
	object, seen := map[string]any{}, map[string]bool{}
	for p.err == nil && p.decoder.More() {
		token, _ := p.decoder.Token()
		name, _ := token.(string)
		p.at = append(p.at, name)
		folded := fold(name)
		if seen[folded] {
			p.fault("is given twice")
		} else if known, ok := p.names[folded]; ok && known != name {
			p.fault("is written " + known)
		}
		seen[folded] = true
		object[name] = p.value()
		p.at = p.at[:len(p.at)-1]
	}
	_, _ = p.decoder.Token() // the closing brace
	return object
}

func (p *parser) array() any {
	array := []any{}
	for p.err == nil && p.decoder.More() {
		p.at = append(p.at, strconv.Itoa(len(array)))
		array = append(array, p.value())
		p.at = p.at[:len(p.at)-1]
	}
	_, _ = p.decoder.Token() // the closing bracket
	return array
}

// isHuge reports numbers that would take long to compare.
func isHuge(number string) bool {
	if len(number) > maxDigits {
		return true
	}
	i := strings.IndexAny(number, "eE")
	if i < 0 {
		return false
	}
	exponent, err := strconv.Atoi(number[i+1:])
	return err != nil || exponent > maxExponent || exponent < -maxExponent
}

// fold returns the canonical form of a property name under the case folding of
// encoding/json.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		for {
			next := unicode.SimpleFold(r)
			if next <= r {
				return next
			}
			r = next
		}
	}, name)
}
