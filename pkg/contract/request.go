package contract

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strings"
	"unicode/utf8"

	"parley.internal/pkg/fault"
	"parley.internal/pkg/web"
)

// Middleware passes valid requests to next, with the body unread, and invalid
// requests to refuse. Unknown and unclean paths, such as //api, and unknown methods are
// left to next; unknown query parameters are ignored.
func (c *Contract) Middleware(refuse func(http.ResponseWriter, *http.Request, error)) func(next http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		var mux http.ServeMux
		mux.Handle("/", next)
		for _, o := range c.Operations {
			mux.HandleFunc(o.String(), func(w http.ResponseWriter, r *http.Request) {
				body, err := o.Check(w, r)
				if err != nil {
					refuse(w, r, err)
					return
				}
				if body != nil {
					r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
				}
				next.ServeHTTP(w, r)
			})
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			escaped := r.URL.EscapedPath()
			if clean := path.Clean(escaped); clean != escaped && clean+"/" != escaped {
				next.ServeHTTP(w, r) // The mux would redirect.
				return
			}
			mux.ServeHTTP(w, r)
		})
	}
}

// Check validates the parameters of a request, reads its body and validates the
// body. It returns the body, nil for a request without one. The request must have
// the path values of String, as a ServeMux sets them.
func (o *Operation) Check(w http.ResponseWriter, r *http.Request) (body []byte, err error) {
	invalid, err := o.checkParameters(r)
	if err != nil {
		return nil, err
	}
	if o.Body != nil && (o.Body.Required || r.ContentLength != 0) {
		if body, err = web.Body(w, r); err != nil {
			return nil, err
		}
		fields, err := o.Body.Schema.check(body)
		if err != nil {
			return nil, err
		}
		invalid = append(invalid, fields...)
	}
	if len(invalid) > 0 {
		return nil, requestError(invalid)
	}
	return body, nil
}

// checkParameters returns the faults of all parameters.
func (o *Operation) checkParameters(r *http.Request) ([]fault.Field, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, requestError([]fault.Field{{Parameter: malformed(r.URL.RawQuery), Detail: "is not well formed"}})
	}
	var fields []fault.Field
	for _, p := range o.Parameters {
		var values []string
		switch p.In {
		case "path":
			values = []string{r.PathValue(p.Name)}
		case "query":
			values = query[p.Name]
		case "header":
			values = r.Header.Values(p.Name)
		}
		fields = append(fields, p.Check(values)...)
	}
	return fields, nil
}

// malformed returns the name of the first malformed query parameter, "query" if
// the name cannot be decoded.
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

var number = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$`)

// Check returns the faults of a parameter with these values.
func (p *Parameter) Check(values []string) []fault.Field {
	invalid := func(detail string) []fault.Field { return []fault.Field{{Parameter: p.Name, Detail: detail}} }
	switch {
	case len(values) == 0 && p.Required:
		return invalid("is required")
	case len(values) == 0:
		return nil
	case len(values) > 1 && !p.array:
		return invalid("is given more than once")
	case p.array && !p.Explode:
		values = strings.Split(strings.Join(values, ","), ",")
	}
	items := make([]any, len(values))
	for i, text := range values {
		switch {
		case p.number && number.MatchString(text) && !isHuge(text):
			items[i] = json.Number(text)
		case p.boolean && (text == "true" || text == "false"):
			items[i] = text == "true"
		default:
			items[i] = text // no number or boolean: validation reports the right type
		}
	}
	value := items[0]
	if p.array {
		value = items
	}
	fields := p.Schema.faults(value)
	for i := range fields {
		fields[i].Parameter, fields[i].Pointer = p.Name, ""
	}
	return fields
}
