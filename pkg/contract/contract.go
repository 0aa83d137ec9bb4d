// Package contract validates the requests of a service against an OpenAPI 3.1
// document. All schemas are compiled once, when the document is opened. The
// package contracttest validates the responses, in tests.
//
// The promise: each request behind Middleware conforms to the document, down to
// the last parameter and property, and a rejected client learns all faults.
package contract

import (
	"fmt"
	"io/fs"
	"strings"

	"parley.internal/pkg/fault"
)

// ErrRequest reports a request that violates the contract. The fields of the
// error locate and explain each fault.
var ErrRequest = fault.New(fault.Invalid, "request-invalid", "the request does not fit the contract: %s")

// Contract is an opened OpenAPI document, safe for concurrent use.
type Contract struct {
	Operations []*Operation
}

// Operation is a method of a path, with parameters, body and responses.
type Operation struct {
	ID, Method, Path string
	Parameters       []*Parameter
	Body             *Body                // nil: none
	Roles            []string             // x-roles: an agent needs any of them; nil: open to every agent
	Responses        map[string]*Response // by status, or "default"
}

// Parameter is a path, query or header parameter.
type Parameter struct {
	Name, In string
	Required bool
	Schema   *Schema
	Explode  bool // an array is written a=1&a=2, not a=1,2

	array           bool // accepts an array
	number, boolean bool // accepts such a value, or an array of these
}

// Body describes a request body of type application/json.
type Body struct {
	Required bool
	Schema   *Schema
}

// Open reads a document and all files referenced from there. Any unsupported
// feature is an error, since a constraint must not be silently unchecked.
func Open(fsys fs.FS, document string) (*Contract, error) {
	l := newLoader(fsys)
	root, err := l.at(document)
	if err != nil {
		return nil, err
	}
	c := &Contract{}
	for path, item := range root.get("paths").each() {
		for method, raw := range item.each() {
			if method == "parameters" {
				continue // shared by the operations of the path
			}
			o, err := l.operation(strings.ToUpper(method), path, item, raw)
			if err != nil {
				return nil, fmt.Errorf("%s: %s %s: %w", document, method, path, err)
			}
			c.Operations = append(c.Operations, o)
		}
	}
	if len(c.Operations) == 0 {
		return nil, fmt.Errorf("%s has no operations", document)
	}
	return c, nil
}

// String returns the ServeMux pattern of the operation.
func (o *Operation) String() string { return o.Method + " " + o.Path }
