package contract

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"parley.internal/pkg/fault"
	"parley.internal/pkg/web"
)

// Middleware lets in requests that fit, and has refuse answer the others. The
// body that it read is handed on as if it had not. What the contract does not
// know, a path or a method, is next's to answer; so are unknown query
// parameters, which are ignored.
func (c *Contract) Middleware(refuse func(http.ResponseWriter, *http.Request, error)) func(next http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if o := c.Find(r); o != nil {
				body, err := o.Check(w, r)
				if err != nil {
					refuse(w, r, err)
					return
				}
				if body != nil {
					r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
				}
			}
			next.ServeHTTP(w, r)
		})
	}
}

// Check checks the parameters of a request, reads its body and checks the body.
// It returns the body, nil if the request has none.
func (o *Operation) Check(w http.ResponseWriter, r *http.Request) (body []byte, err error) {
	fields, err := o.parameters(r)
	if err != nil {
		return nil, err
	}
	if o.Body != nil && (o.Body.Required || r.ContentLength != 0) {
		if body, err = web.Body(w, r); err != nil {
			return nil, err
		}
		wrong, err := o.Body.Schema.check(body)
		if err != nil {
			return nil, err
		}
		fields = append(fields, wrong...)
	}
	return body, refusal(fields)
}

// parameters is what is wrong with them.
func (o *Operation) parameters(r *http.Request) ([]fault.Field, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, refusal([]fault.Field{{Parameter: malformed(r.URL.RawQuery), Detail: "is not well formed"}})
	}
	var fields []fault.Field
	for _, p := range o.Parameters {
		var values []string
		switch p.In {
		case "path":
			values = o.segment(r.URL, p.Name)
		case "query":
			values = query[p.Name]
		case "header":
			values = r.Header.Values(p.Name)
		}
		fields = append(fields, p.Check(values)...)
	}
	return fields, nil
}

// malformed is the name of the first parameter that is not well formed, "query"
// if it has none that can be read.
func malformed(query string) string {
	for pair := range strings.SplitSeq(query, "&") {
		if _, err := url.ParseQuery(pair); err == nil {
			continue
		}
		name, _, _ := strings.Cut(pair, "=")
		name, _, _ = strings.Cut(name, ";")
		if name, err := url.QueryUnescape(name); err == nil && name != "" && utf8.ValidString(name) {
			return name
		}
		break
	}
	return "query"
}

// segment is what a path has in the place of {name}.
func (o *Operation) segment(u *url.URL, name string) []string {
	i := slices.Index(o.segments, "{"+name+"}")
	segments := strings.Split(u.EscapedPath(), "/")
	if i < 0 || i >= len(segments) {
		return nil
	}
	text, err := url.PathUnescape(segments[i])
	if err != nil {
		return nil
	}
	return []string{text}
}

// Check is what is wrong with a parameter that was given with those values.
func (p *Parameter) Check(values []string) []fault.Field {
	wrong := func(detail string) []fault.Field { return []fault.Field{{Parameter: p.Name, Detail: detail}} }
	if len(values) == 0 {
		if p.Required {
			return wrong("is required")
		}
		return nil
	}
	value, ok := p.value(values)
	if !ok {
		return wrong("is given more than once")
	}
	var fields []fault.Field
	for _, field := range p.Schema.fields(value) {
		fields = append(fields, fault.Field{Parameter: p.Name, Detail: field.Detail})
	}
	return fields
}

// value is the JSON that a parameter stands for.
func (p *Parameter) value(values []string) (any, bool) {
	if !p.Schema.Takes("array") {
		if len(values) > 1 {
			return nil, false
		}
		return p.scalar(values[0]), true
	}
	if !p.Explode {
		values = strings.Split(strings.Join(values, ","), ",")
	}
	list := make([]any, len(values))
	for i, text := range values {
		list[i] = p.scalar(text)
	}
	return list, true
}

var number = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$`)

// scalar is a text as what the schema takes. One that is not that remains a
// text, for the schema to say what it must be.
func (p *Parameter) scalar(text string) any {
	scalars := p.Schema.Compiled
	for scalars.Ref != nil && scalars.Types == nil {
		scalars = scalars.Ref
	}
	if items := scalars.Items2020; items != nil && takes(scalars, "array") {
		scalars = items
	}
	switch {
	case (takes(scalars, "integer") || takes(scalars, "number")) && number.MatchString(text) && !isMonstrous(text):
		return json.Number(text)
	case takes(scalars, "boolean") && (text == "true" || text == "false"):
		return text == "true"
	default:
		return text
	}
}
