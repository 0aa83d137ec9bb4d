package contract

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

const contentJSON = "application/json"

// operation reads a method of a path item.
func (l *loader) operation(method, path string, item, raw node) (*Operation, error) {
	o := &Operation{ID: raw.text("operationId"), Method: method, Path: path, Responses: map[string]*Response{}}
	if err := o.readRoles(raw.get("x-roles")); err != nil {
		return nil, err
	}
	for _, list := range []node{raw.get("parameters"), item.get("parameters")} {
		for n := range list.items() {
			if err := l.addParameter(o, n); err != nil {
				return nil, err
			}
		}
	}
	if err := l.body(o, raw.get("requestBody")); err != nil {
		return nil, err
	}
	for status, n := range raw.get("responses").each() {
		re, err := l.response(n)
		if err != nil {
			return nil, fmt.Errorf("response %s: %w", status, err)
		}
		o.Responses[status] = re
	}
	return o, nil
}

// readRoles reads the extension x-roles. An empty list is an error: a reader
// could take it for every agent or for none.
func (o *Operation) readRoles(n node) error {
	if n.value == nil {
		return nil
	}
	for item := range n.items() {
		role, ok := item.value.(string)
		if !ok || role == "" {
			return fmt.Errorf("x-roles: %v is not a role's name", item.value)
		}
		o.Roles = append(o.Roles, role)
	}
	if len(o.Roles) == 0 {
		return errors.New("x-roles must be a list of at least one role")
	}
	return nil
}

// addParameter reads a parameter of an operation or of a path item.
func (l *loader) addParameter(o *Operation, n node) error {
	n, err := n.resolve()
	if err != nil {
		return err
	}
	name, in := n.text("name"), n.text("in")
	// Parameters of the operation are read first and override the path item's.
	if slices.ContainsFunc(o.Parameters, func(p *Parameter) bool { return p.Name == name && p.In == in }) {
		return nil
	}
	if in == "path" && !strings.Contains(o.Path, "{"+name+"}") {
		return fmt.Errorf("parameter %s: the path has no {%s}", name, name)
	}
	p, err := l.parameter(n, name, in)
	if err != nil {
		return fmt.Errorf("parameter %s: %w", name, err)
	}
	o.Parameters = append(o.Parameters, p)
	return nil
}

// styles are the supported styles of parameters, their defaults.
var styles = map[string]string{"path": "simple", "query": "form", "header": "simple"}

// parameter reads a parameter of a request, or a header of a response.
func (l *loader) parameter(n node, name, in string) (*Parameter, error) {
	supported, known := styles[in]
	if !known {
		return nil, fmt.Errorf("parameters in %s are not supported", in)
	}
	if style := n.text("style"); style != "" && style != supported {
		return nil, fmt.Errorf("style %s is not supported", style)
	}
	schema, err := l.schema(n.get("schema"))
	if err != nil {
		return nil, err
	}
	if accepts(schema.Compiled, "object") {
		return nil, errors.New("objects are not supported")
	}
	p := &Parameter{Name: name, In: in, Required: n.flag("required"), Schema: schema, Explode: in != "header"}
	if explode, ok := n.get("explode").value.(bool); ok && in == "query" {
		p.Explode = explode
	}
	scalars := resolved(schema.Compiled)
	p.array = accepts(scalars, "array")
	if p.array && scalars.Items2020 != nil {
		scalars = scalars.Items2020
	}
	p.number = accepts(scalars, "integer") || accepts(scalars, "number")
	p.boolean = accepts(scalars, "boolean")
	return p, nil
}

// body reads a request body.
func (l *loader) body(o *Operation, n node) error {
	if n.value == nil {
		return nil
	}
	n, err := n.resolve()
	if err != nil {
		return err
	}
	content, _ := n.get("content").value.(map[string]any)
	if len(content) != 1 || content[contentJSON] == nil {
		return errors.New("a request body must be application/json only")
	}
	o.Body = &Body{Required: n.flag("required")}
	o.Body.Schema, err = l.schema(n.get("content").get(contentJSON).get("schema"))
	return err
}
