package signalr

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
)

// input is what an invocation brings for a method's parameters.
type input struct {
	conn      *Conn
	arguments []json.RawMessage
	streams   []string
}

// parameter is what is known of one before any call.
type parameter struct {
	optional bool // a map, a pointer, a slice or an interface: it may be left out at the end
	text     bool
	stream   bool
}

func parameterOf[T any]() parameter {
	_, stream := any((*T)(nil)).(attacher)
	p := parameter{stream: stream}
	kind := reflect.TypeFor[T]().Kind()
	p.text = kind == reflect.String
	p.optional = slices.Contains([]reflect.Kind{reflect.Map, reflect.Pointer, reflect.Slice, reflect.Interface}, kind)
	return p
}

// shape are a method's parameters.
type shape []parameter

// streams is how many of them are.
func (s shape) streams() (n int) {
	for _, p := range s {
		if p.stream {
			n++
		}
	}
	return n
}

// bind decodes the arguments into the parameters, which must be as many; those
// at the end that can be nil may be left out. Streams are no arguments: they are
// taken in the order of their ids.
func (s shape) bind(in *input, into ...any) error {
	arguments, streams := in.arguments, in.streams
	for i, p := range s {
		switch {
		case p.stream:
			into[i].(attacher).attach(in.conn.upload(streams[0])) //nolint:forcetypeassert // parameterOf has looked
			streams = streams[1:]
		case len(arguments) > 0:
			if err := p.decode(arguments[0], into[i]); err != nil {
				return fmt.Errorf("%w: argument %d: %w", errArguments, i, err)
			}
			arguments = arguments[1:]
		case !p.optional:
			return fmt.Errorf("%w: %d sent, %d wanted", errArguments, len(in.arguments), len(s)-s.streams())
		}
	}
	if len(arguments) > 0 {
		return fmt.Errorf("%w: %d sent, %d wanted", errArguments, len(in.arguments), len(s)-s.streams())
	}
	return nil
}

func (p parameter) decode(argument json.RawMessage, into any) error {
	// As in the reference server no text is a text, but no number is no number.
	if string(argument) == "null" && !p.text && !p.optional {
		return errNull
	}
	return decode(argument, into)
}

// misfitError is about what a client sent that is no value of the Go type that it is
// for. Its text may be logged, so it does not quote the client; what it wraps may.
type misfitError struct {
	wanted reflect.Type
	cause  error
}

func (e *misfitError) Error() string { return "of another type than " + e.wanted.String() }

func (e *misfitError) Unwrap() error { return e.cause }

// decode reads what a client sent.
func decode(raw json.RawMessage, into any) error {
	if err := json.Unmarshal(raw, into); err != nil {
		return &misfitError{wanted: reflect.TypeOf(into).Elem(), cause: err}
	}
	return nil
}
