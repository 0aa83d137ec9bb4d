package signalr

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// separator ends each record: a handshake, or a message of the JSON protocol.
const separator = 0x1e

// outbound is a message to a client. Its values are JSON already: whatever a
// protocol makes of them, they mean the same in each.
type outbound struct {
	kind      kind
	id        string // of the invocation; empty: nobody waits for a completion
	target    string
	arguments []json.RawMessage
	value     json.RawMessage // the item or the result; nil: none
	failure   string
	reconnect bool
}

// invocationOf calls target at a client.
func invocationOf(id, target string, args []any) (*outbound, error) {
	o := &outbound{kind: kindInvocation, id: id, target: target, arguments: make([]json.RawMessage, len(args))}
	for i, arg := range args {
		var err error
		if o.arguments[i], err = valueOf(arg); err != nil {
			return nil, fmt.Errorf("encode argument %d of %s: %w", i, target, err)
		}
	}
	return o, nil
}

// resultOf completes an invocation; a nil result is null.
func resultOf(id string, result any) (*outbound, error) {
	value, err := valueOf(result)
	if err != nil {
		return nil, err
	}
	return &outbound{kind: kindCompletion, id: id, value: value}, nil
}

// failureOf completes an invocation with an error, or a stream with none.
func failureOf(id, text string) *outbound {
	return &outbound{kind: kindCompletion, id: id, failure: text}
}

// mostNested is how deep a value is nested at most that JSON is read from.
const mostNested = 10_000

var errTooDeep = errors.New("nested too deep")

// valueOf is a value's JSON, which each protocol can make its own of: whoever sends
// it hears here what is wrong with it, or nobody does.
func valueOf(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	value := b.Bytes()[:b.Len()-1] // without the encoder's newline
	// What is written may be nested deeper than what is read, but few have the
	// brackets for it.
	if bytes.Count(value, []byte{'['})+bytes.Count(value, []byte{'{'}) > mostNested && !json.Valid(value) {
		return nil, errTooDeep
	}
	return value, nil
}

// textOf is a string's JSON.
func textOf(s string) json.RawMessage {
	text, err := valueOf(s)
	if err != nil {
		panic("signalr: " + err.Error()) // a string always encodes
	}
	return text
}

// json is the message in the JSON protocol.
func (o *outbound) json() []byte {
	size := 96 + len(o.id) + len(o.target) + len(o.value) + len(o.failure)
	for _, a := range o.arguments {
		size += len(a) + 1
	}
	b := make([]byte, 0, size)
	b = append(b, `{"type":`...)
	b = strconv.AppendInt(b, int64(o.kind), 10)
	if o.id != "" {
		b = append(append(b, `,"invocationId":`...), textOf(o.id)...)
	}
	if o.kind == kindInvocation {
		b = append(append(b, `,"target":`...), textOf(o.target)...)
		b = append(b, `,"arguments":[`...)
		for i, a := range o.arguments {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(b, a...)
		}
		b = append(b, ']')
	}
	if o.value != nil {
		name := `,"result":`
		if o.kind == kindStreamItem {
			name = `,"item":`
		}
		b = append(append(b, name...), o.value...)
	}
	if o.failure != "" {
		b = append(append(b, `,"error":`...), textOf(o.failure)...)
	}
	if o.reconnect {
		b = append(b, `,"allowReconnect":true`...)
	}
	return append(b, '}', separator)
}
