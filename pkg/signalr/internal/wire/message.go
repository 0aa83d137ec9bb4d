// Package wire encodes and decodes the SignalR hub protocol: handshakes, hub messages in JSON and
// MessagePack, their framing in records and transport frames, and answers to negotiate requests.
// The package does no I/O of its own and is safe against any input: a malformed message is an error.
package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
)

// Kind is the type of a hub message.
type Kind int

// The kinds of hub messages, by their numbers in the protocol.
const (
	Invocation       Kind = 1
	StreamItem       Kind = 2
	Completion       Kind = 3
	StreamInvocation Kind = 4
	CancelInvocation Kind = 5
	Ping             Kind = 6
	Close            Kind = 7
	Ack              Kind = 8
	Sequence         Kind = 9
)

var (
	// ErrMalformed is wrapped by each error about bytes that are no message of the protocol.
	ErrMalformed = errors.New("malformed message")
	// ErrTooLarge is the error of a record that is longer than the limit.
	ErrTooLarge = errors.New("message too large")
)

// Message is a hub message from or to a client, in either protocol. Arguments and Value are JSON in
// both directions; the MessagePack codec converts them.
type Message struct {
	Kind      Kind
	ID        string // of the invocation; empty: the sender expects no completion
	Target    string
	Arguments []json.RawMessage
	Streams   []string        // IDs of the client streams that an invocation brings; never sent
	Value     json.RawMessage // item or result; nil: none
	Error     string

	AllowReconnect bool // of Close
}

// NewInvocation encodes a call of target at a client. An empty id asks for no completion.
func NewInvocation(id, target string, args []any) (*Message, error) {
	m := &Message{Kind: Invocation, ID: id, Target: target, Arguments: make([]json.RawMessage, len(args))}
	for i, arg := range args {
		var err error
		if m.Arguments[i], err = EncodeValue(arg); err != nil {
			return nil, fmt.Errorf("encode argument %d of %s: %w", i, target, err)
		}
	}
	return m, nil
}

// NewResult completes an invocation with a result; nil becomes null.
func NewResult(id string, result any) (*Message, error) {
	value, err := EncodeValue(result)
	if err != nil {
		return nil, err
	}
	return &Message{Kind: Completion, ID: id, Value: value}, nil
}

// NewCompletion completes an invocation with an error, or a stream without one if text is empty.
func NewCompletion(id, text string) *Message {
	return &Message{Kind: Completion, ID: id, Error: text}
}

// WantsCompletion reports whether the sender of an invocation waits for its completion.
func (m *Message) WantsCompletion() bool { return m.ID != "" }

// MaxArguments is the largest number of arguments that a method can have.
const MaxArguments = 4

// limitArguments keeps the first MaxArguments+1 arguments. A call with more fits no method anyway,
// and retaining all of them would take more memory than the record did.
func limitArguments(sent []json.RawMessage) []json.RawMessage {
	if len(sent) <= MaxArguments {
		return sent
	}
	return slices.Clone(sent[:MaxArguments+1])
}

// check rejects messages for which the reference server closes the connection.
func (m *Message) check() error {
	switch m.Kind {
	case Invocation, StreamInvocation:
		switch {
		case m.Target == "":
			return fmt.Errorf("%w: no target", ErrMalformed)
		case m.Arguments == nil:
			return fmt.Errorf("%w: no arguments", ErrMalformed)
		case m.Kind == StreamInvocation && !m.WantsCompletion():
			return fmt.Errorf("%w: stream without an invocation id", ErrMalformed)
		}
	case StreamItem, Completion, CancelInvocation:
		if m.ID == "" {
			return fmt.Errorf("%w: no invocation id", ErrMalformed)
		}
	case Ping, Close, Ack, Sequence:
	default:
		return fmt.Errorf("%w: type %d", ErrMalformed, m.Kind)
	}
	return nil
}
