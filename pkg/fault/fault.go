// Package fault defines errors that a client may see: each has a kind, from
// which the edge of a service derives an HTTP status, and a stable code for
// machines.
package fault

import (
	"errors"
	"fmt"
)

// Kind classifies an error.
type Kind uint8

// The kinds. The zero Kind is Internal, for unclassified errors.
const (
	Internal        Kind = iota // a bug or a broken dependency; details stay hidden from the client
	Invalid                     // malformed request
	Unauthenticated             // missing or invalid credentials
	Forbidden                   // the client lacks permission
	NotFound                    // the resource does not exist, or the client may not see it
	Conflict                    // the resource is in the wrong state
	Gone                        // the resource existed and is permanently unavailable
	TooLarge                    // the request exceeds a size limit
	Unsupported                 // unknown media type
	Unprocessable               // well formed, but contradicts an earlier request
	RateLimited                 // too many requests; retry later
	Unavailable                 // transient trouble of the service; retry later
)

// Error is a failure that the client may see.
type Error struct {
	Kind   Kind
	Code   string  // stable, for machines: "policy-terminated"
	Detail string  // for people
	Fields []Field // the invalid parts of the request, if known
}

// Field describes one invalid part of a request, with either a Pointer or a
// Parameter. Problem documents contain fields as JSON.
type Field struct {
	Pointer   string `json:"pointer,omitempty"`   // JSON pointer into the body, as a URI fragment: "#/policyHolder/taxId"
	Parameter string `json:"parameter,omitempty"` // name of a path, query or header parameter
	Detail    string `json:"detail"`              // for people: "must be a string"
}

// New returns an Error. Detail may contain fmt verbs, filled in by With.
func New(kind Kind, code, detail string) *Error {
	return &Error{Kind: kind, Code: code, Detail: detail}
}

// With returns a copy of e with the fmt verbs in Detail filled in. errors.Is
// matches the copy with e.
func (e *Error) With(args ...any) *Error {
	return &Error{Kind: e.Kind, Code: e.Code, Detail: fmt.Sprintf(e.Detail, args...), Fields: e.Fields}
}

// At returns a copy of e that lists the invalid parts of the request. errors.Is
// matches the copy with e.
func (e *Error) At(fields ...Field) *Error {
	return &Error{Kind: e.Kind, Code: e.Code, Detail: e.Detail, Fields: fields}
}

// Error returns the detail.
func (e *Error) Error() string { return e.Detail }

// Is reports whether target is an Error of the same kind and code. Details are
// not compared, so a sentinel matches every copy that With returned.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Kind == e.Kind && t.Code == e.Code
}

// Of returns the Error that err wraps. Any other error becomes an Internal one
// without its message.
func Of(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Kind: Internal, Code: "internal", Detail: "something went wrong on our side"}
}
