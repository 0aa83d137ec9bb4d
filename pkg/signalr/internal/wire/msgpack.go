package wire

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"strconv"

	"github.com/tinylib/msgp/msgp"
)

// The kinds of a completion in MessagePack.
const (
	completionError = 1
	completionVoid  = 2
	completionValue = 3
)

// encodeMessagePack encodes the message in the MessagePack protocol, with its length prefix. A handshake
// response is JSON in either protocol.
func (m *Message) encodeMessagePack() []byte {
	b := make([]byte, binary.MaxVarintLen32, 128)
	switch m.Kind {
	case handshakeResponse:
		return m.Record
	case Invocation:
		b = m.appendHeader(b, 6)
		b = msgp.AppendString(b, m.Target)
		b = appendJSON(b, m.Value)
		b = msgp.AppendArrayHeader(b, 0)
	case StreamItem:
		b = appendJSON(m.appendHeader(b, 4), m.Value)
	case Completion:
		b = m.appendCompletion(b)
	case Close:
		b = msgp.AppendArrayHeader(b, 3)
		b = msgp.AppendInt(b, int(m.Kind))
		b = appendOptional(b, m.Error)
		b = msgp.AppendBool(b, m.AllowReconnect)
	default:
		b = msgp.AppendArrayHeader(b, 1)
		b = msgp.AppendInt(b, int(m.Kind))
	}
	return prefixLength(b)
}

// appendHeader appends the start of a message of size elements: its kind, an empty map of headers, and the
// ID of the invocation.
func (m *Message) appendHeader(b []byte, size uint32) []byte {
	b = msgp.AppendInt(msgp.AppendArrayHeader(b, size), int(m.Kind))
	return appendOptional(msgp.AppendMapHeader(b, 0), m.ID)
}

func (m *Message) appendCompletion(b []byte) []byte {
	switch {
	case m.Error != "":
		return msgp.AppendString(msgp.AppendInt(m.appendHeader(b, 5), completionError), m.Error)
	case len(m.Value) == 0, string(m.Value) == "null":
		return msgp.AppendInt(m.appendHeader(b, 4), completionVoid)
	default:
		return appendJSON(msgp.AppendInt(m.appendHeader(b, 5), completionValue), m.Value)
	}
}

// appendOptional appends a string, or nil if it is empty.
func appendOptional(b []byte, s string) []byte {
	if s == "" {
		return msgp.AppendNil(b)
	}
	return msgp.AppendString(b, s)
}

// prefixLength writes the length of a message into the space reserved at the start of b.
func prefixLength(b []byte) []byte {
	var length [binary.MaxVarintLen32]byte
	n := binary.PutUvarint(length[:], uint64(len(b)-len(length))) //nolint:gosec // b starts with the reserved space
	start := len(length) - n
	copy(b[start:], length[:n])
	return b[start:]
}

// appendJSON converts a value encoded by NewMessage.
func appendJSON(b []byte, value json.RawMessage) []byte {
	d := json.NewDecoder(bytes.NewReader(value))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		panic("signalr: " + err.Error()) // NewMessage returns decodable JSON
	}
	return appendValue(b, v)
}

func appendValue(b []byte, v any) []byte {
	switch v := v.(type) {
	case bool:
		return msgp.AppendBool(b, v)
	case string:
		return msgp.AppendString(b, v)
	case json.Number:
		return appendNumber(b, v)
	case []any:
		b = msgp.AppendArrayHeader(b, uint32(len(v))) //nolint:gosec // bounded by memory
		for _, e := range v {
			b = appendValue(b, e)
		}
		return b
	case map[string]any:
		b = msgp.AppendMapHeader(b, uint32(len(v))) //nolint:gosec // bounded by memory
		for key, e := range v {
			b = appendValue(msgp.AppendString(b, key), e)
		}
		return b
	default:
		return msgp.AppendNil(b)
	}
}

func appendNumber(b []byte, n json.Number) []byte {
	if i, err := strconv.ParseInt(n.String(), 10, 64); err == nil {
		return msgp.AppendInt64(b, i)
	}
	if u, err := strconv.ParseUint(n.String(), 10, 64); err == nil {
		return msgp.AppendUint64(b, u)
	}
	f, _ := n.Float64() // out of range becomes infinite, as in JSON parsers
	return msgp.AppendFloat64(b, f)
}
