package contracttest

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"parley.internal/pkg/contract"
)

// invalid holds values. No schema accepts all of them.
var invalid = []any{
	nil, true, "", " ", "\x00", "no such thing", strings.Repeat("x", 5000),
	json.Number("-1"), json.Number("0.001"), json.Number("1e300"), json.Number("1e999999999"), json.Number("123456789012345678901234567890"),
	[]any{},
	[]any{nil},
	map[string]any{},
	map[string]any{"x": "y"},
	slices.Repeat([]any{json.Number("7")}, 300),
}

// corrupt makes a single value of q invalid. It returns a pointer into the body or
// the name of a parameter, and false if it finds no invalid value.
func (g *generator) corrupt(q *request) (string, bool) {
	for range 100 {
		if q.body != nil && g.rand.IntN(3) > 0 {
			if place, ok := g.corruptBody(q); ok {
				return place, true
			}
		} else if place, ok := g.corruptParameter(q); ok {
			return place, true
		}
	}
	return "", false
}

func (g *generator) corruptParameter(q *request) (string, bool) {
	if len(q.operation.Parameters) == 0 {
		return "", false
	}
	p := q.operation.Parameters[g.rand.IntN(len(q.operation.Parameters))]
	values := []string{format(invalid[g.rand.IntN(len(invalid))])}
	switch g.rand.IntN(6) {
	case 0:
		values = nil
	case 1:
		values = append(slices.Clone(q.values[p.Name]), "again")
	}
	if p.In == "path" && len(values) != 1 || !sendable(p, values) || len(p.Check(values)) == 0 {
		return "", false
	}
	q.values[p.Name] = values
	return p.Name, true
}

func (g *generator) corruptBody(q *request) (string, bool) {
	places := placesIn(nil, q.body)
	place := places[g.rand.IntN(len(places))]
	body := q.body
	switch g.rand.IntN(4) {
	case 0:
		body = changed(body, place, func(map[string]any, string) {}) // removed
	case 1:
		body = changed(body, place, func(parent map[string]any, name string) {
			parent[strings.ToUpper(name)] = "in another case"
		})
		if len(place) > 0 {
			place = append(slices.Clone(place[:len(place)-1]), strings.ToUpper(place[len(place)-1]))
		}
	default:
		body = replaced(body, place, invalid[g.rand.IntN(len(invalid))])
	}
	if isValid(q.operation.Body.Schema, body) {
		return "", false
	}
	q.body = body
	return contract.Pointer(place), true
}

// isValid validates a body as the service will.
func isValid(s *contract.Schema, body any) bool {
	text, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	return s.Validate(text) == nil
}

// placesIn returns the paths of value and of all nested values.
func placesIn(at []string, value any) [][]string {
	places := [][]string{at}
	switch v := value.(type) {
	case map[string]any:
		for _, name := range sorted(v) {
			places = append(places, placesIn(append(slices.Clone(at), name), v[name])...)
		}
	case []any:
		for i, item := range v {
			places = append(places, placesIn(append(slices.Clone(at), strconv.Itoa(i)), item)...)
		}
	}
	return places
}

// replaced returns a copy of value with by at place.
func replaced(value any, place []string, by any) any {
	if len(place) == 0 {
		return by
	}
	switch v := value.(type) {
	case map[string]any:
		v = maps.Clone(v)
		v[place[0]] = replaced(v[place[0]], place[1:], by)
		return v
	case []any:
		v = slices.Clone(v)
		i, _ := strconv.Atoi(place[0])
		v[i] = replaced(v[i], place[1:], by)
		return v
	default:
		return value
	}
}

// changed returns a copy of value without the property at place, after a call of
// change with the parent. Items of a list are not removed.
func changed(value any, place []string, change func(parent map[string]any, name string)) any {
	if len(place) == 0 {
		return value
	}
	if object, ok := value.(map[string]any); ok {
		object = maps.Clone(object)
		if len(place) > 1 {
			object[place[0]] = changed(object[place[0]], place[1:], change)
			return object
		}
		delete(object, place[0])
		change(object, place[0])
		return object
	}
	if list, ok := value.([]any); ok && len(place) > 1 {
		list = slices.Clone(list)
		i, _ := strconv.Atoi(place[0])
		list[i] = changed(list[i], place[1:], change)
		return list
	}
	return value
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
