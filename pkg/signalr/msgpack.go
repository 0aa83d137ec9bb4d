package signalr

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"

	"github.com/tinylib/msgp/msgp"
)

// The kinds of a completion in MessagePack.
const (
	completionError = 1
	completionVoid  = 2
	completionValue = 3
)

// msgpack is the message in the MessagePack protocol.
func (o *outbound) msgpack() []byte {
	b := make([]byte, binary.MaxVarintLen32, 128)
	switch o.kind {
	case kindInvocation:
		b = msgp.AppendArrayHeader(b, 6)
		b = o.header(b)
		b = appendID(b, o.id)
		b = msgp.AppendString(b, o.target)
		b = msgp.AppendArrayHeader(b, uint32(len(o.arguments))) //nolint:gosec // few
		for _, a := range o.arguments {
			b = appendJSON(b, a)
		}
		b = msgp.AppendArrayHeader(b, 0)
	case kindStreamItem:
		b = msgp.AppendArrayHeader(b, 4)
		b = o.header(b)
		b = msgp.AppendString(b, o.id)
		b = appendJSON(b, o.value)
	case kindCompletion:
		b = o.completion(b)
	case kindClose:
		b = msgp.AppendArrayHeader(b, 3)
		b = msgp.AppendInt(b, int(o.kind))
		b = appendID(b, o.failure)
		b = msgp.AppendBool(b, o.reconnect)
	default:
		b = msgp.AppendArrayHeader(b, 1)
		b = msgp.AppendInt(b, int(o.kind))
	}
	return prefixed(b)
}

// header is the kind, and no headers.
func (o *outbound) header(b []byte) []byte {
	return msgp.AppendMapHeader(msgp.AppendInt(b, int(o.kind)), 0)
}

func (o *outbound) completion(b []byte) []byte {
	size, how := uint32(5), completionValue
	switch {
	case o.failure != "":
		how = completionError
	case o.value == nil || string(o.value) == "null":
		size, how = 4, completionVoid
	}
	b = msgp.AppendArrayHeader(b, size)
	b = o.header(b)
	b = msgp.AppendString(b, o.id)
	b = msgp.AppendInt(b, how)
	switch how {
	case completionError:
		b = msgp.AppendString(b, o.failure)
	case completionValue:
		b = appendJSON(b, o.value)
	}
	return b
}

// appendID appends a text, or nil for none.
func appendID(b []byte, id string) []byte {
	if id == "" {
		return msgp.AppendNil(b)
	}
	return msgp.AppendString(b, id)
}

// prefixed puts the length into the room left for it at b's start.
func prefixed(b []byte) []byte {
	var length [binary.MaxVarintLen32]byte
	n := binary.PutUvarint(length[:], uint64(len(b)-len(length))) //nolint:gosec // b begins with the room
	start := len(length) - n
	copy(b[start:], length[:n])
	return b[start:]
}

// appendJSON appends what valueOf made.
func appendJSON(b []byte, value json.RawMessage) []byte {
	d := json.NewDecoder(bytes.NewReader(value))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		panic("signalr: " + err.Error()) // valueOf has seen to it
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
		b = msgp.AppendArrayHeader(b, uint32(len(v))) //nolint:gosec // it is in memory
		for _, e := range v {
			b = appendValue(b, e)
		}
		return b
	case map[string]any:
		b = msgp.AppendMapHeader(b, uint32(len(v))) //nolint:gosec // it is in memory
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
	f, _ := n.Float64() // out of range is infinite, as in JSON parsers
	return msgp.AppendFloat64(b, f)
}

// parseMsgpack reads one message of the MessagePack protocol, its length cut
// off. What it returns shares no memory with b.
func parseMsgpack(b []byte) (*message, error) {
	r := reader{rest: b}
	size := r.array()
	m := &message{kind: kind(r.int())}
	switch m.kind {
	case kindInvocation, kindStreamInvocation:
		r.skip() // headers
		m.invocationID, m.target = r.text(), r.text()
		m.arguments = make(arguments, 0, 4)
		for i := range r.array() {
			if i > mostArguments {
				r.skip() // what few leaves out
				continue
			}
			m.arguments = append(m.arguments, r.value())
		}
		if size > 5 {
			for range r.array() {
				m.streams = append(m.streams, r.text())
			}
		}
	case kindStreamItem:
		r.skip()
		m.invocationID, m.value = r.text(), r.value()
	case kindCompletion:
		r.skip()
		m.invocationID = r.text()
		switch r.int() {
		case completionError:
			m.failure = r.text()
		case completionValue:
			m.value = r.value()
		}
	case kindCancelInvocation:
		r.skip()
		m.invocationID = r.text()
	case kindPing, kindClose, kindAck, kindSequence: // say all that matters by their kind
	}
	if r.err != nil {
		return nil, fmt.Errorf("%w: %w", errMalformed, r.err)
	}
	return m, m.check()
}

// reader reads MessagePack until something is wrong; all is empty from there on.
type reader struct {
	rest []byte
	err  error
}

var errShort = errors.New("more elements than bytes")

// array is the length of one, which its elements' bytes allow.
func (r *reader) array() (n int) {
	if r.err != nil {
		return 0
	}
	var size uint32
	if size, r.rest, r.err = msgp.ReadArrayHeaderBytes(r.rest); r.err != nil {
		return 0
	}
	if uint64(size) > uint64(len(r.rest)) {
		r.err = errShort
		return 0
	}
	return int(size)
}

func (r *reader) int() int {
	if r.err != nil {
		return 0
	}
	var n int64
	if n, r.rest, r.err = msgp.ReadInt64Bytes(r.rest); n > math.MaxInt32 || n < math.MinInt32 {
		return 0
	}
	return int(n)
}

// text is a string, or nothing for nil.
func (r *reader) text() (s string) {
	if r.err != nil {
		return ""
	}
	if msgp.IsNil(r.rest) {
		r.skip()
		return ""
	}
	s, r.rest, r.err = msgp.ReadStringBytes(r.rest)
	return s
}

// value is anything, as JSON.
func (r *reader) value() json.RawMessage {
	if r.err != nil {
		return nil
	}
	whole := r.rest
	r.skip()
	if r.err != nil {
		return nil
	}
	var b bytes.Buffer
	_, r.err = msgp.UnmarshalAsJSON(&b, whole[:len(whole)-len(r.rest)])
	return b.Bytes()
}

func (r *reader) skip() {
	if r.err == nil {
		r.rest, r.err = msgp.Skip(r.rest)
	}
}

// uvarint reads the length before a message of the MessagePack protocol:
// io.ErrUnexpectedEOF if it is not all there.
func uvarint(b []byte) (length, size int, err error) {
	n, size := binary.Uvarint(b[:min(len(b), binary.MaxVarintLen32)])
	switch {
	case size > 0 && n <= math.MaxInt32:
		return int(n), size, nil
	case size == 0 && len(b) < binary.MaxVarintLen32:
		return 0, 0, io.ErrUnexpectedEOF
	default:
		return 0, 0, errMalformed
	}
}
