package signalr

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"unicode/utf8"
)

// kind is the type of a hub message.
type kind int

const (
	kindInvocation       kind = 1
	kindStreamItem       kind = 2
	kindCompletion       kind = 3
	kindStreamInvocation kind = 4
	kindCancelInvocation kind = 5
	kindPing             kind = 6
	kindClose            kind = 7
	kindAck              kind = 8
	kindSequence         kind = 9
)

// message is what a client sent, in any protocol.
type message struct {
	kind         kind
	invocationID string // empty: no answer is wanted
	target       string
	arguments    arguments
	streams      int // how many streams the client wants to send along
}

// blocking says that the client waits for a completion.
func (m *message) blocking() bool { return m.invocationID != "" }

// arguments of an invocation, undecoded: only the method knows their types.
type arguments []json.RawMessage

// bind decodes the arguments into the parameters, which must be as many; those
// at the end that can be nil may be left out.
func (a arguments) bind(parameters ...any) error {
	if len(a) > len(parameters) {
		return fmt.Errorf("%w: %d sent, %d wanted", errArguments, len(a), len(parameters))
	}
	for _, p := range parameters[len(a):] {
		if !canBeNil(p) {
			return fmt.Errorf("%w: %d sent, %d wanted", errArguments, len(a), len(parameters))
		}
	}
	for i, argument := range a {
		// As in the reference server no text is a text, but no number is no number.
		if string(argument) == "null" && reflect.TypeOf(parameters[i]).Elem().Kind() != reflect.String && !canBeNil(parameters[i]) {
			return fmt.Errorf("%w: argument %d is null", errArguments, i)
		}
		if err := json.Unmarshal(argument, parameters[i]); err != nil {
			return fmt.Errorf("%w: argument %d: %w", errArguments, i, err)
		}
	}
	return nil
}

// canBeNil is about what parameter points to.
func canBeNil(parameter any) bool {
	switch reflect.TypeOf(parameter).Elem().Kind() {
	case reflect.Map, reflect.Pointer, reflect.Slice, reflect.Interface:
		return true
	default:
		return false
	}
}

// errMalformed is what a client gets its connection closed for.
var errMalformed = errors.New("malformed message")

// parseJSON reads one message of the JSON protocol, its separator cut off. What
// it returns shares no memory with record.
func parseJSON(record []byte) (*message, error) {
	if !utf8.Valid(record) {
		return nil, fmt.Errorf("%w: not UTF-8", errMalformed)
	}
	var in struct {
		Type         kind              `json:"type"`
		InvocationID string            `json:"invocationId"`
		Target       string            `json:"target"`
		Arguments    []json.RawMessage `json:"arguments"`
		StreamIDs    []string          `json:"streamIds"`
	}
	if err := json.Unmarshal(record, &in); err != nil {
		return nil, fmt.Errorf("%w: %w", errMalformed, err)
	}
	m := &message{
		kind:         in.Type,
		invocationID: in.InvocationID,
		target:       in.Target,
		arguments:    in.Arguments,
		streams:      len(in.StreamIDs),
	}
	return m, m.check()
}

// check refuses what the reference server closes the connection for.
func (m *message) check() error {
	switch m.kind {
	case kindInvocation, kindStreamInvocation:
		switch {
		case m.target == "":
			return fmt.Errorf("%w: no target", errMalformed)
		case m.arguments == nil:
			return fmt.Errorf("%w: no arguments", errMalformed)
		case m.kind == kindStreamInvocation && !m.blocking():
			return fmt.Errorf("%w: a stream without an invocation id", errMalformed)
		}
	case kindStreamItem, kindCompletion, kindCancelInvocation, kindPing, kindClose, kindAck, kindSequence:
	default:
		return fmt.Errorf("%w: type %d", errMalformed, m.kind)
	}
	return nil
}
