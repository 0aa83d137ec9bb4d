package compat

import (
	"fmt"
	"maps"
	"slices"
)

// annotations are the keywords of a schema that do not constrain values.
var annotations = []string{
	"title", "description", "examples", "example", "default", "deprecated", "$comment", "x-publishers", "$schema",
}

// schema compares the valid values of two schemas. A schema that is shared by
// several places is compared once, and reported at the first place.
func (c *comparer) schema(d direction, old, now node) {
	old, now = c.both(old, now)
	pair := fmt.Sprintf("%s %s#%s %s#%s", d, old.file, old.place, now.file, now.place)
	if c.seen[pair] {
		return
	}
	c.seen[pair] = true
	if !old.exists() && !now.exists() {
		return
	}
	c.types(d, old, now)
	c.values(d, old, now)
	c.rules(d, old, now)
	c.bounds(d, old, now)
	c.properties(d, old, now)
	c.inner(d, old, now)
	for _, kind := range []string{"oneOf", "anyOf"} {
		c.alternatives(d, kind, old.get(kind), now.get(kind))
	}
	c.unknown(old, now)
}

func typesOf(n node) []string {
	var types []string
	if one := n.text("type"); one != "" {
		types = []string{one}
	}
	for _, one := range n.get("type").items() {
		types = append(types, fmt.Sprint(one.value))
	}
	if slices.Contains(types, "number") {
		types = append(types, "integer")
	}
	return types
}

// types reports a type that rejects old values of clients, or that gives clients
// new types of values.
func (c *comparer) types(d direction, old, now node) {
	before, after := typesOf(old), typesOf(now)
	if d == out {
		before, after = after, before
	}
	wider := after == nil || before != nil && !slices.ContainsFunc(before, func(t string) bool { return !slices.Contains(after, t) })
	if !wider {
		c.reportf("the type is changed from %v to %v", old.get("type").value, now.get("type").value)
	}
}

// values compares enumerations. A response may have a new value.
func (c *comparer) values(d direction, old, now node) {
	before, after := valuesOf(old), valuesOf(now)
	switch {
	case before == nil && after == nil:
	case before == nil:
		if d == in {
			c.reportf("accepts only %v", after)
		}
	case after == nil:
		if d == out {
			c.reportf("is no longer one of %v", before)
		}
	case d == in || old.get("const").exists():
		for _, value := range before {
			if !slices.ContainsFunc(after, func(v any) bool { return equal(v, value) }) {
				c.reportf("the value %v is removed", value)
			}
		}
	}
}

func valuesOf(n node) []any {
	if constant := n.get("const"); constant.exists() {
		return []any{constant.value}
	}
	list, _ := n.get("enum").value.([]any)
	return list
}

// rules reports a rule that is dropped for readers or added for writers.
func (c *comparer) rules(d direction, old, now node) {
	for _, rule := range []string{"format", "pattern", "multipleOf", "uniqueItems"} {
		before, after := old.get(rule), now.get(rule)
		dropped := before.exists() && !after.exists()
		added := !before.exists() && after.exists()
		if equal(before.value, after.value) || d == in && dropped || d == out && added {
			continue
		}
		c.reportf("%s is changed from %v to %v", rule, before.value, after.value)
	}
}

// bounds reports a tightened bound of a request, and a response with fewer items
// or arguments.
func (c *comparer) bounds(d direction, old, now node) {
	tightened := func(bound string, sign float64) bool {
		before, after := number(old.get(bound)), number(now.get(bound))
		return after != nil && (before == nil || sign*(*after-*before) > 0)
	}
	for _, bound := range []string{"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"} {
		if d == in && tightened(bound, 1) {
			c.reportf("%s is raised to %v", bound, now.get(bound).value)
		}
	}
	for _, bound := range []string{"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"} {
		if d == in && tightened(bound, -1) {
			c.reportf("%s is lowered to %v", bound, now.get(bound).value)
		}
	}
	before, after := number(old.get("minItems")), number(now.get("minItems"))
	if d == out && before != nil && (after == nil || *after < *before) {
		c.reportf("minItems is lowered to %v", now.get("minItems").value)
	}
}

func number(n node) *float64 {
	var f float64
	switch v := n.value.(type) {
	case int:
		f = float64(v)
	case float64:
		f = v
	default:
		return nil
	}
	return &f
}

func (c *comparer) properties(d direction, old, now node) {
	c.pairs("/", old.get("properties"), now.get("properties"), func(_ string, old, now node) {
		c.schema(d, old, now)
	})
	before, after := requiredOf(old), requiredOf(now)
	for _, name := range after {
		if d == in && !slices.Contains(before, name) {
			c.within("/"+name, func() { c.reportf("is newly required") })
		}
	}
	for _, name := range before {
		if d == out && !slices.Contains(after, name) {
			c.within("/"+name, func() { c.reportf("is no longer required") })
		}
	}
	others, others2 := old.get("additionalProperties"), now.get("additionalProperties")
	_, isSchema := others.value.(map[string]any)
	_, isSchema2 := others2.value.(map[string]any)
	switch {
	case isSchema && isSchema2:
		c.within("/*", func() { c.schema(d, others, others2) })
	case isSchema != isSchema2:
		c.reportf("additionalProperties is changed")
	case d == in && others2.value == false && others.value != false:
		c.reportf("accepts no other properties")
	}
}

func requiredOf(n node) []string {
	var names []string
	for _, name := range n.get("required").items() {
		names = append(names, fmt.Sprint(name.value))
	}
	return names
}

// inner compares items and arguments.
func (c *comparer) inner(d direction, old, now node) {
	if old.get("items").exists() || now.get("items").exists() {
		c.within("/0", func() { c.schema(d, old.get("items"), now.get("items")) })
	}
	before, after := old.get("prefixItems").items(), now.get("prefixItems").items()
	for i := range before {
		c.within(fmt.Sprintf("argument %d", i+1), func() {
			if i >= len(after) {
				c.reportf("is removed")
				return
			}
			c.schema(d, before[i], after[i])
		})
	}
	if d == out && len(before) > 0 && len(after) > len(before) {
		c.reportf("has more arguments")
	}
}

// alternatives requires for each old alternative of a request a new one that
// accepts its values, and for each new alternative of a response an old one.
func (c *comparer) alternatives(d direction, kind string, old, now node) {
	if old.exists() != now.exists() {
		c.reportf("%s is changed", kind)
		return
	}
	from, to := old.items(), now.items()
	if d == out {
		from, to = to, from
	}
	for i, one := range from {
		if !slices.ContainsFunc(to, func(other node) bool { return c.fits(d, one, other) }) {
			c.reportf("alternative %d of %s has no counterpart", i+1, kind)
		}
	}
}

// fits reports whether a change from one alternative to another is compatible.
func (c *comparer) fits(d direction, one, other node) bool {
	if d == out {
		one, other = other, one
	}
	trial := &comparer{seen: maps.Clone(c.seen)}
	trial.schema(d, one, other)
	return len(trial.found) == 0
}

// unknown reports a changed keyword that the comparison does not know.
func (c *comparer) unknown(old, now node) {
	known := append(slices.Clone(annotations),
		"type", "enum", "const", "format", "pattern", "multipleOf", "uniqueItems",
		"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties",
		"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties",
		"properties", "required", "additionalProperties", "items", "prefixItems", "oneOf", "anyOf")
	keys := map[string]bool{}
	for _, n := range []node{old, now} {
		object, _ := n.value.(map[string]any)
		for key := range object {
			keys[key] = true
		}
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if !slices.Contains(known, key) {
			c.same(old.get(key), now.get(key), key)
		}
	}
}
