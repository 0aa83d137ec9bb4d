package contract

import (
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// answer is one that an operation gives.
type answer struct {
	content map[string]*Schema // by media type; empty if it has no body
	headers []*Parameter
}

func (l *loader) answer(n node) (*answer, error) {
	n, err := n.resolve()
	if err != nil {
		return nil, err
	}
	a := &answer{content: map[string]*Schema{}}
	for media, content := range n.get("content").each() {
		if a.content[media], err = l.schema(content.get("schema")); err != nil {
			return nil, err
		}
	}
	for name, raw := range n.get("headers").each() {
		header, err := raw.resolve()
		if err != nil {
			return nil, err
		}
		schema, err := l.schema(header.get("schema"))
		if err != nil {
			return nil, fmt.Errorf("header %s: %w", name, err)
		}
		a.headers = append(a.headers, &Parameter{Name: name, In: "header", Required: header.flag("required"), Schema: schema})
	}
	return a, nil
}

// CheckAnswer says what is wrong with the answer to a request: a status, a
// content type or a body that the contract does not have. It has no opinion on
// requests that the contract does not know.
func (c *Contract) CheckAnswer(r *http.Request, status int, header http.Header, body []byte) error {
	o := c.Find(r)
	if o == nil {
		return nil
	}
	if err := o.check(r.Method, status, header, body); err != nil {
		return fmt.Errorf("%s answers %d: %w", o, status, err)
	}
	return nil
}

func (o *Operation) check(method string, status int, header http.Header, body []byte) error {
	a := o.answers[strconv.Itoa(status)]
	if a == nil {
		a = o.answers["default"]
	}
	// What default describes are refusals.
	if a == nil || o.answers[strconv.Itoa(status)] == nil && status < http.StatusBadRequest {
		return fmt.Errorf("the contract has only %s", strings.Join(slices.Sorted(maps.Keys(o.answers)), ", "))
	}
	for _, p := range a.headers {
		if wrong := p.Check(header.Values(p.Name)); len(wrong) > 0 {
			return fmt.Errorf("the header %s %s", p.Name, wrong[0].Detail)
		}
	}
	if method == http.MethodHead {
		return nil
	}
	if len(a.content) == 0 {
		if len(body) > 0 {
			return errors.New("the contract has no body")
		}
		return nil
	}
	return a.check(header.Get("Content-Type"), body)
}

func (a *answer) check(contentType string, body []byte) error {
	media, _, err := mime.ParseMediaType(contentType)
	schema := a.content[media]
	if err != nil || schema == nil {
		return fmt.Errorf("the content type %q is none of %s", contentType, strings.Join(slices.Sorted(maps.Keys(a.content)), ", "))
	}
	fields, err := schema.check(body)
	if err != nil {
		return err
	}
	wrong := make([]string, len(fields))
	for i, field := range fields {
		wrong[i] = field.Pointer + " " + field.Detail
	}
	if len(wrong) > 0 {
		return fmt.Errorf("%s in %s", strings.Join(wrong, "; "), body)
	}
	return nil
}
