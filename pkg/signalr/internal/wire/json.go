package wire

import (
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// separator ends each record: a handshake, or a message of the JSON protocol.
const separator = 0x1e

// encodeJSON encodes the message in the JSON protocol, with the record separator.
func (m *Message) encodeJSON() []byte {
	size := 96 + len(m.ID) + len(m.Target) + len(m.Value) + len(m.Error)
	for _, a := range m.Arguments {
		size += len(a) + 1
	}
	b := make([]byte, 0, size)
	b = append(b, `{"type":`...)
	b = strconv.AppendInt(b, int64(m.Kind), 10)
	if m.ID != "" {
		b = appendText(append(b, `,"invocationId":`...), m.ID)
	}
	if m.Kind == Invocation {
		b = appendText(append(b, `,"target":`...), m.Target)
		b = append(b, `,"arguments":[`...)
		for i, a := range m.Arguments {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(b, a...)
		}
		b = append(b, ']')
	}
	if m.Value != nil {
		name := `,"result":`
		if m.Kind == StreamItem {
			name = `,"item":`
		}
		b = append(append(b, name...), m.Value...)
	}
	if m.Error != "" {
		b = appendText(append(b, `,"error":`...), m.Error)
	}
	if m.AllowReconnect {
		b = append(b, `,"allowReconnect":true`...)
	}
	return append(b, '}', separator)
}

// parseJSON decodes a message of the JSON protocol without its separator. The message shares no
// memory with record.
func parseJSON(record []byte) (*Message, error) {
	if !utf8.Valid(record) {
		return nil, fmt.Errorf("%w: not UTF-8", ErrMalformed)
	}
	var in struct {
		Type         Kind              `json:"type"`
		InvocationID string            `json:"invocationId"`
		Target       string            `json:"target"`
		Arguments    []json.RawMessage `json:"arguments"`
		StreamIDs    []string          `json:"streamIds"`
		Item         json.RawMessage   `json:"item"`
		Result       json.RawMessage   `json:"result"`
		Error        string            `json:"error"`
	}
	if err := json.Unmarshal(record, &in); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	m := &Message{
		Kind:      in.Type,
		ID:        in.InvocationID,
		Target:    in.Target,
		Arguments: limitArguments(in.Arguments),
		Streams:   in.StreamIDs,
		Value:     in.Result,
		Error:     in.Error,
	}
	if m.Kind == StreamItem {
		m.Value = in.Item
	}
	return m, m.check()
}
