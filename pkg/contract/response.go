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

// response is a documented response of an operation.
type response struct {
	content map[string]*Schema // by media type; empty: no body
	headers []*Parameter
}

// response reads a response object.
func (l *loader) response(n node) (*response, error) {
	n, err := n.resolve()
	if err != nil {
		return nil, err
	}
	re := &response{content: map[string]*Schema{}}
	for media, content := range n.get("content").each() {
		if re.content[media], err = l.schema(content.get("schema")); err != nil {
			return nil, err
		}
	}
	for name, raw := range n.get("headers").each() {
		header, err := raw.resolve()
		if err != nil {
			return nil, err
		}
		p, err := l.parameter(header, name, "header")
		if err != nil {
			return nil, fmt.Errorf("header %s: %w", name, err)
		}
		re.headers = append(re.headers, p)
	}
	return re, nil
}

// CheckResponse returns an error if the contract does not allow this response to
// a request: the status, a header, the content type or the body. Responses to
// requests of no known operation are not checked.
func (c *Contract) CheckResponse(r *http.Request, status int, header http.Header, body []byte) error {
	o := c.Find(r)
	if o == nil {
		return nil
	}
	if err := o.checkResponse(r.Method, status, header, body); err != nil {
		return fmt.Errorf("%s responds with %d: %w", o, status, err)
	}
	return nil
}

func (o *Operation) checkResponse(method string, status int, header http.Header, body []byte) error {
	re := o.responses[strconv.Itoa(status)]
	if re == nil && status >= http.StatusBadRequest {
		re = o.responses["default"] // describes errors only
	}
	if re == nil {
		return fmt.Errorf("the contract has only %s", strings.Join(slices.Sorted(maps.Keys(o.responses)), ", "))
	}
	for _, p := range re.headers {
		if invalid := p.Check(header.Values(p.Name)); len(invalid) > 0 {
			return fmt.Errorf("header %s %s", p.Name, invalid[0].Detail)
		}
	}
	if method == http.MethodHead {
		return nil
	}
	if len(re.content) == 0 {
		if len(body) > 0 {
			return errors.New("the contract has no body for this response")
		}
		return nil
	}
	return re.check(header.Get("Content-Type"), body)
}

func (re *response) check(contentType string, body []byte) error {
	media, _, err := mime.ParseMediaType(contentType)
	schema := re.content[media]
	if err != nil || schema == nil {
		return fmt.Errorf("content type %q is none of %s", contentType, strings.Join(slices.Sorted(maps.Keys(re.content)), ", "))
	}
	fields, err := schema.check(body)
	if err != nil {
		return err
	}
	if len(fields) == 0 {
		return nil
	}
	invalid := make([]string, len(fields))
	for i, field := range fields {
		invalid[i] = field.Pointer + " " + field.Detail
	}
	return fmt.Errorf("%s in %s", strings.Join(invalid, "; "), body)
}
