package signalr

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
)

var errNull = errors.New("null for a type without null")

// parameter describes a parameter of a method.
type parameter struct {
	zero     func() any // returns a pointer to a new argument
	optional bool       // a map, pointer, slice or interface: may be left out at the end
	text     bool
	stream   bool
}

func parameterOf[T any]() parameter {
	_, stream := any((*T)(nil)).(attacher)
	kind := reflect.TypeFor[T]().Kind()
	return parameter{
		zero:     func() any { return new(T) },
		optional: slices.Contains([]reflect.Kind{reflect.Map, reflect.Pointer, reflect.Slice, reflect.Interface}, kind),
		text:     kind == reflect.String,
		stream:   stream,
	}
}

// argument returns an argument of parameterOf[T].
func argument[T any](args []any, n int) T {
	value, _ := args[n].(*T)
	return *value
}

// parameters describes all parameters of a method.
type parameters []parameter

// streams returns the number of client streams.
func (ps parameters) streams() (n int) {
	for _, p := range ps {
		if p.stream {
			n++
		}
	}
	return n
}

// bind decodes the arguments of an invocation and returns a pointer to each. Their numbers must match, but
// optional parameters at the end may be left out. Client streams are no arguments: they are bound in
// the order of their IDs.
func (ps parameters) bind(i *invocation) ([]any, error) {
	bound := make([]any, len(ps))
	arguments, streams := i.message.Arguments, i.message.Streams
	mismatch := func() error {
		return fmt.Errorf("%w: got %d, want %d", errArguments, len(i.message.Arguments), len(ps)-ps.streams())
	}
	for n, p := range ps {
		bound[n] = p.zero()
		switch {
		case p.stream:
			bound[n].(attacher).attach(i.conn.streams.find(streams[0])) //nolint:forcetypeassert // see parameterOf
			streams = streams[1:]
		case len(arguments) > 0:
			if err := p.decode(arguments[0], bound[n]); err != nil {
				return nil, fmt.Errorf("%w: argument %d: %w", errArguments, n, err)
			}
			arguments = arguments[1:]
		case !p.optional:
			return nil, mismatch()
		}
	}
	if len(arguments) > 0 {
		return nil, mismatch()
	}
	return bound, nil
}

func (p parameter) decode(argument json.RawMessage, into any) error {
	// As in the reference server, null is an empty text, but no number.
	if string(argument) == "null" && !p.text && !p.optional {
		return errNull
	}
	return decode(argument, into)
}

// typeMismatchError is the error of a client's value that does not fit the Go type. The text is logged
// and thus does not quote the client; the wrapped error may.
type typeMismatchError struct {
	want  reflect.Type
	cause error
}

func (e *typeMismatchError) Error() string { return "of another type than " + e.want.String() }

func (e *typeMismatchError) Unwrap() error { return e.cause }

// decode decodes a client's value.
func decode(raw json.RawMessage, into any) error {
	if err := json.Unmarshal(raw, into); err != nil {
		return &typeMismatchError{want: reflect.TypeOf(into).Elem(), cause: err}
	}
	return nil
}
