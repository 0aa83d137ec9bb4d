package wire

import (
	"encoding/json"
	"fmt"
	"slices"
	"unicode/utf8"
)

// separator ends each record: a handshake, or a message of the JSON protocol.
const separator = 0x1e

// parseJSON decodes a message of the JSON protocol without its separator. The message shares no
// memory with record.
func parseJSON(record []byte) (*Message, error) {
	if !utf8.Valid(record) {
		return nil, fmt.Errorf("%w: not UTF-8", ErrMalformed)
	}
	var in struct {
		Message

		Item   json.RawMessage `json:"item"`
		Result json.RawMessage `json:"result"`
	}
	if err := json.Unmarshal(record, &in); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	m := &in.Message
	if m.Value = in.Result; m.Kind == StreamItem {
		m.Value = in.Item
	}
	if len(m.Arguments) > MaxArguments { // a longer list would take more memory than the record did
		m.Arguments = slices.Clone(m.Arguments[:MaxArguments+1])
	}
	return m, m.check()
}
