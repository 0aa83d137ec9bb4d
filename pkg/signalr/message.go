package signalr

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
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
	streams      []string        // ids of the streams that the client sends along
	value        json.RawMessage // the item or the result
	failure      string

	ctx   context.Context               //nolint:containedctx // of the invocation, from before it waits for its turn
	after []func(context.Context) error // its completion
}

// blocking says that the client waits for a completion.
func (m *message) blocking() bool { return m.invocationID != "" }

// arguments of an invocation, undecoded: only the method knows their types.
type arguments []json.RawMessage

// mostArguments is how many a method may have.
const mostArguments = 4

// few are the arguments that came, without those beyond the first that fits no
// method: all of them would take more memory than they come in.
func few(sent []json.RawMessage) arguments {
	if len(sent) <= mostArguments {
		return sent
	}
	return slices.Clone(sent[:mostArguments+1])
}

var errNull = errors.New("it is null")

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
		Item         json.RawMessage   `json:"item"`
		Result       json.RawMessage   `json:"result"`
		Error        string            `json:"error"`
	}
	if err := json.Unmarshal(record, &in); err != nil {
		return nil, fmt.Errorf("%w: %w", errMalformed, err)
	}
	m := &message{
		kind:         in.Type,
		invocationID: in.InvocationID,
		target:       in.Target,
		arguments:    few(in.Arguments),
		streams:      in.StreamIDs,
		value:        in.Result,
		failure:      in.Error,
	}
	if m.kind == kindStreamItem {
		m.value = in.Item
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
	case kindStreamItem, kindCompletion, kindCancelInvocation:
		if m.invocationID == "" {
			return fmt.Errorf("%w: no invocation id", errMalformed)
		}
	case kindPing, kindClose, kindAck, kindSequence:
	default:
		return fmt.Errorf("%w: type %d", errMalformed, m.kind)
	}
	return nil
}
