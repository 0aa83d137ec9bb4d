// Package contract holds a service to its OpenAPI 3.1 document. All schemas are
// compiled once, when the document is opened.
//
// Its promise: what Middleware lets in fits the document, to the last
// parameter and property, and whoever is refused is told all that is wrong.
package contract

import (
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strings"

	"parley.internal/pkg/fault"
)

// ErrRequest says that a request does not fit the contract. Its fields say
// where, and why.
var ErrRequest = fault.New(fault.Invalid, "request-invalid", "the request does not fit the contract: %s")

// Contract is an opened OpenAPI document. It may be used concurrently.
type Contract struct {
	Operations []*Operation
	mux        http.ServeMux
}

// Operation is a method of a path, and what goes in and out.
type Operation struct {
	ID, Method, Path string
	Parameters       []*Parameter
	Body             *Body    // nil if it takes none
	Roles            []string // x-roles: an agent needs one of them; nil if every agent may call it
	answers          map[string]*answer

	segments []string // of Path
}

// Parameter is one in a path, a query or a header.
type Parameter struct {
	Name, In string
	Required bool
	Schema   *Schema
	Explode  bool // a list is a=1&a=2, not a=1,2
}

// Body is what a request carries, as application/json.
type Body struct {
	Required bool
	Schema   *Schema
}

// Open reads a document and all that it refers to. Everything in it that is
// not understood is an error: what is not checked must not look as if it were.
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
				continue // each operation takes over its path's
			}
			o, err := l.operation(strings.ToUpper(method), path, item, raw)
			if err != nil {
				return nil, fmt.Errorf("%s: %s %s: %w", document, method, path, err)
			}
			c.Operations = append(c.Operations, o)
			c.mux.Handle(o.Method+" "+o.Path, o)
		}
	}
	if len(c.Operations) == 0 {
		return nil, fmt.Errorf("%s has no operations", document)
	}
	return c, nil
}

// Find is the operation that a request is for, nil if there is none.
func (c *Contract) Find(r *http.Request) *Operation {
	handler, _ := c.mux.Handler(r)
	o, _ := handler.(*Operation)
	return o
}

// Operation returns the operation of a ServeMux pattern, "GET /books/{isbn}",
// nil if the contract has none.
func (c *Contract) Operation(pattern string) *Operation {
	i := slices.IndexFunc(c.Operations, func(o *Operation) bool { return o.String() == pattern })
	if i < 0 {
		return nil
	}
	return c.Operations[i]
}

// ServeHTTP makes an operation something that a ServeMux finds.
func (*Operation) ServeHTTP(http.ResponseWriter, *http.Request) {}

// String names the operation for people.
func (o *Operation) String() string { return o.Method + " " + o.Path }
