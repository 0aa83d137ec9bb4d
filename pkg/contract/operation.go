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
	o := &Operation{
		ID: raw.text("operationId"), Method: method, Path: path,
		segments: strings.Split(path, "/"), responses: map[string]*response{},
	}
	if err := o.readRoles(raw.get("x-roles")); err != nil {
		return nil, err
	}
	for _, list := range []node{raw.get("parameters"), item.get("parameters")} {
		for n := range list.items() {
			if err := l.parameter(o, n); err != nil {
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
		o.responses[status] = re
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

// parameter reads a parameter of an operation or of a path item.
func (l *loader) parameter(o *Operation, n node) error {
	n, err := n.resolve()
	if err != nil {
		return err
	}
	p := &Parameter{Name: n.text("name"), In: n.text("in"), Required: n.flag("required"), Explode: true}
	// Parameters of the operation are read first and override the path item's.
	if slices.ContainsFunc(o.Parameters, func(q *Parameter) bool { return q.Name == p.Name && q.In == p.In }) {
		return nil
	}
	style := n.text("style")
	switch p.In {
	case "path":
		if !slices.Contains(o.segments, "{"+p.Name+"}") {
			return fmt.Errorf("the path has no {%s}", p.Name)
		}
		err = only(style, "simple")
	case "query":
		err = only(style, "form")
		if explode, ok := n.get("explode").value.(bool); ok {
			p.Explode = explode
		}
	case "header":
		err = only(style, "simple")
		p.Explode = false
	default:
		err = fmt.Errorf("parameters in %s are not supported", p.In)
	}
	if err != nil {
		return fmt.Errorf("parameter %s: %w", p.Name, err)
	}
	if p.Schema, err = l.schema(n.get("schema")); err != nil {
		return fmt.Errorf("parameter %s: %w", p.Name, err)
	}
	if p.Schema.accepts("object") {
		return fmt.Errorf("parameter %s: objects are not supported", p.Name)
	}
	o.Parameters = append(o.Parameters, p)
	return nil
}

// only returns an error for any other style than the supported default.
func only(style, supported string) error {
	if style != "" && style != supported {
		return fmt.Errorf("style %s is not supported", style)
	}
	return nil
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
