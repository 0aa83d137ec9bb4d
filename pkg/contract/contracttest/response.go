package contracttest

import (
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"parley.internal/pkg/contract"
	"parley.internal/pkg/fault"
)

// find returns the operation of a request, nil if the contract has none.
func find(c *contract.Contract, r *http.Request) *contract.Operation {
	var mux http.ServeMux
	byPattern := map[string]*contract.Operation{}
	for _, o := range c.Operations {
		mux.Handle(o.String(), http.NotFoundHandler())
		byPattern[o.String()] = o
	}
	_, pattern := mux.Handler(r)
	return byPattern[pattern]
}

// CheckResponse returns an error if the contract does not allow this response to
// a request: the status, a header, the content type or the body. Responses to
// requests of no known operation are not checked.
func CheckResponse(c *contract.Contract, r *http.Request, status int, header http.Header, body []byte) error {
	o := find(c, r)
	if o == nil {
		return nil
	}
	if err := checkResponse(o, r.Method, status, header, body); err != nil {
		return fmt.Errorf("%s responds with %d: %w", o, status, err)
	}
	return nil
}

func checkResponse(o *contract.Operation, method string, status int, header http.Header, body []byte) error {
	re := o.Responses[strconv.Itoa(status)]
	if re == nil && status >= http.StatusBadRequest {
		re = o.Responses["default"] // describes errors only
	}
	if re == nil {
		return fmt.Errorf("the contract has only %s", strings.Join(slices.Sorted(maps.Keys(o.Responses)), ", "))
	}
	for _, p := range re.Headers {
		if invalid := p.Check(header.Values(p.Name)); len(invalid) > 0 {
			return fmt.Errorf("header %s %s", p.Name, invalid[0].Detail)
		}
	}
	if method == http.MethodHead {
		return nil
	}
	if len(re.Content) == 0 {
		if len(body) > 0 {
			return errors.New("the contract has no body for this response")
		}
		return nil
	}
	return checkContent(re, header.Get("Content-Type"), body)
}

func checkContent(re *contract.Response, contentType string, body []byte) error {
	media, _, err := mime.ParseMediaType(contentType)
	schema := re.Content[media]
	if err != nil || schema == nil {
		return fmt.Errorf("content type %q is none of %s", contentType, strings.Join(slices.Sorted(maps.Keys(re.Content)), ", "))
	}
	err = schema.Validate(body)
	if !errors.Is(err, contract.ErrRequest) {
		return err
	}
	var invalid []string
	for _, field := range fault.Of(err).Fields {
		invalid = append(invalid, field.Pointer+" "+field.Detail)
	}
	return fmt.Errorf("%s in %s", strings.Join(invalid, "; "), body)
}
