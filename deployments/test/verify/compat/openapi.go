package compat

import "strings"

var methods = []string{"get", "put", "post", "delete", "patch", "head", "options"}

func (c *comparer) openapi(old, now node) {
	c.pairs("", old.get("paths"), now.get("paths"), func(_ string, old, now node) {
		for _, method := range methods {
			if before := old.get(method); before.exists() {
				c.within(strings.ToUpper(method), func() { c.operation(old, now, before, now.get(method)) })
			}
		}
	})
}

func (c *comparer) operation(oldPath, nowPath, old, now node) {
	if !now.exists() {
		c.reportf("is removed")
		return
	}
	c.parameters(c.parametersOf(oldPath, old), c.parametersOf(nowPath, now))
	c.body(old.get("requestBody"), now.get("requestBody"))
	c.pairs("response ", old.get("responses"), now.get("responses"), func(_ string, old, now node) {
		c.content(out, old.get("content"), now.get("content"))
		c.pairs("header ", old.get("headers"), now.get("headers"), func(_ string, old, now node) {
			if isRequired(old) && !isRequired(now) {
				c.reportf("is no longer required")
			}
			c.schema(out, old.get("schema"), now.get("schema"))
		})
	})
}

// parametersOf returns the parameters of an operation by location and name.
func (c *comparer) parametersOf(path, operation node) map[string]node {
	all := map[string]node{}
	for _, list := range []node{path.get("parameters"), operation.get("parameters")} {
		for _, n := range list.items() {
			n, err := n.resolve()
			if err != nil {
				c.errs = append(c.errs, err)
				continue
			}
			all[n.text("in")+" parameter "+n.text("name")] = n
		}
	}
	return all
}

func (c *comparer) parameters(old, now map[string]node) {
	for name, after := range now {
		before, known := old[name]
		c.within(name, func() {
			if isRequired(after) && (!known || !isRequired(before)) {
				c.reportf("is newly required")
			}
			if known {
				c.schema(in, before.get("schema"), after.get("schema"))
			}
		})
	}
	for name := range old {
		if _, known := now[name]; !known {
			c.within(name, func() { c.reportf("is removed") })
		}
	}
}

func (c *comparer) body(old, now node) {
	old, now = c.both(old, now)
	c.within("request", func() {
		switch {
		case old.exists() && !now.exists():
			c.reportf("is removed")
		case isRequired(now) && !isRequired(old):
			c.reportf("is newly required")
		}
		if old.exists() && now.exists() {
			c.content(in, old.get("content"), now.get("content"))
		}
	})
}

// content compares bodies by media type.
func (c *comparer) content(d direction, old, now node) {
	if d == out && !old.exists() && now.exists() {
		c.reportf("has a new body")
	}
	c.pairs("", old, now, func(_ string, old, now node) {
		c.schema(d, old.get("schema"), now.get("schema"))
	})
}
