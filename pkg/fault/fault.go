// Package fault gives errors a kind, so that the edge of a service can choose
// a status without knowing what went wrong, and a code, so that a client can.
package fault

import (
	"errors"
	"fmt"
)

// Kind says whose problem an error is.
type Kind uint8

// The kinds. The zero Kind is Internal: an error that nobody classified.
const (
	Internal      Kind = iota // ours; the caller learns nothing more
	Invalid                   // the request makes no sense
	Unidentified              // nobody knows who asks
	Forbidden                 // you may not
	NotFound                  // the thing does not exist, or is not yours to see
	Conflict                  // the thing is in the wrong state
	Gone                      // the thing existed, and cannot be had again
	TooLarge                  // the request is bigger than allowed
	Unsupported               // the request's form is not understood
	Unprocessable             // well formed, and at odds with what was said before
	Exhausted                 // too often; try again later
	Unavailable               // we cannot just now; try again
)

// Error is a failure the caller is allowed to see.
type Error struct {
	Kind   Kind
	Code   string  // stable, for machines: "policy-terminated"
	Detail string  // for people
	Fields []Field // what is wrong with which part of the request, if that is known
}

// Field is one part of a request and what is wrong with it. It has either a
// Pointer or a Parameter.
type Field struct {
	Pointer   string // into the body, a JSON pointer as a URI fragment: "#/policyHolder/taxId"
	Parameter string // the name of a path, query or header parameter
	Detail    string // for people: "must be a string"
}

// New makes an Error. Detail may hold the verbs of fmt for With to fill.
func New(kind Kind, code, detail string) *Error {
	return &Error{Kind: kind, Code: code, Detail: detail}
}

// With fills the verbs in Detail. The result still is the receiver for
// errors.Is.
func (e *Error) With(args ...any) *Error {
	return &Error{Kind: e.Kind, Code: e.Code, Detail: fmt.Sprintf(e.Detail, args...), Fields: e.Fields}
}

// At says which parts of the request are wrong. The result still is the
// receiver for errors.Is.
func (e *Error) At(fields ...Field) *Error {
	return &Error{Kind: e.Kind, Code: e.Code, Detail: e.Detail, Fields: fields}
}

// Error is the detail: what the caller may read.
func (e *Error) Error() string { return e.Detail }

// Is reports whether target is an Error of the same kind and code, whatever
// its detail: one sentinel stands for all the errors that With made of it.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Kind == e.Kind && t.Code == e.Code
}

// Of finds the Error inside err. Anything else is Internal and keeps its
// message to itself.
func Of(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Kind: Internal, Code: "internal", Detail: "something went wrong on our side"}
}
