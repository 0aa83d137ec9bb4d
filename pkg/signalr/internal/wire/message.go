// Package wire encodes and decodes the SignalR hub protocol: handshakes, hub messages in JSON and
// MessagePack, their framing in records and transport frames, and answers to negotiate requests.
// The package does no I/O of its own and is safe against any input: a malformed message is an error.
package wire

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
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

	errTooDeep = errors.New("nested too deep")
)

// Message is a hub message from or to a client, in either protocol. Values are JSON in both directions;
// the MessagePack codec converts them.
type Message struct {
	Kind           Kind   `json:"type"`
	ID             string `json:"invocationId,omitempty"` // of the invocation; empty: the sender expects no completion
	Target         string `json:"target,omitempty"`
	Error          string `json:"error,omitempty"`
	AllowReconnect bool   `json:"allowReconnect,omitempty"` // of Close

	// Item or result, or list of the arguments of an invocation to a client; nil: none.
	Value json.RawMessage `json:"-"`

	// Of received invocations: the arguments, and the IDs of the client streams.
	Arguments []json.RawMessage `json:"arguments,omitempty"`
	Streams   []string          `json:"streamIds,omitempty"`

	Record []byte `json:"-"` // of the JSON protocol; only in messages to clients
}

// maxNesting is the depth of nesting up to which encoding/json decodes a value.
const maxNesting = 10_000

// NewMessage encodes a message to a client in the JSON protocol, with the arguments of an invocation,
// or an item or result. MessagePack can convert these values: the error covers both protocols.
func NewMessage(m Message, values ...any) (*Message, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(&m)                 // texts and numbers have no encoding error
	b.Truncate(b.Len() - len("}\n")) // Encode ends with a newline
	before, after := "", ""
	switch {
	case m.Kind == Invocation:
		before, after = `,"arguments":[`, "]"
	case m.Kind == StreamItem:
		before = `,"item":`
	case len(values) > 0:
		before = `,"result":`
	}
	b.WriteString(before)
	start := b.Len() - len(after) // a list includes its brackets
	for i, v := range values {
		if i > 0 {
			b.WriteByte(',')
		}
		if err := e.Encode(v); err != nil {
			return nil, fmt.Errorf("encode value %d of %q: %w", i, cmp.Or(m.Target, m.ID), err)
		}
		b.Truncate(b.Len() - len("\n"))
	}
	b.WriteString(after)
	end := b.Len()
	b.Write([]byte{'}', separator})
	m.Record = b.Bytes()
	m.Value = m.Record[start:end]
	// encoding/json encodes deeper values than it decodes. Only a value with enough brackets needs the
	// complete check.
	if bytes.Count(m.Value, []byte{'['})+bytes.Count(m.Value, []byte{'{'}) > maxNesting && !json.Valid(m.Value) {
		return nil, fmt.Errorf("encode the values of %q: %w", cmp.Or(m.Target, m.ID), errTooDeep)
	}
	return &m, nil
}

// NewCompletion completes an invocation with an error, or a stream without one if text is empty.
func NewCompletion(id, text string) *Message {
	m, _ := NewMessage(Message{Kind: Completion, ID: id, Error: text}) // only values have encoding errors
	return m
}

// WantsCompletion reports whether the sender of an invocation waits for its completion.
func (m *Message) WantsCompletion() bool { return m.ID != "" }

// MaxArguments is the largest number of arguments that a method can have.
const MaxArguments = 4

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
