package wire

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/tinylib/msgp/msgp"
)

// parseMessagePack decodes a message of the MessagePack protocol without its length prefix. The
// message shares no memory with b.
func parseMessagePack(b []byte) (*Message, error) {
	r := messagePackReader{rest: b}
	size := r.array()
	m := &Message{Kind: Kind(r.int())}
	switch m.Kind {
	case Invocation, StreamInvocation:
		r.skip() // headers
		m.ID, m.Target = r.text(), r.text()
		m.Arguments = make([]json.RawMessage, 0, MaxArguments)
		for i := range r.array() {
			if i > MaxArguments { // a longer list would take more memory than the message does
				r.skip()
				continue
			}
			m.Arguments = append(m.Arguments, r.value())
		}
		if size > 5 {
			for range r.array() {
				m.Streams = append(m.Streams, r.text())
			}
		}
	case StreamItem:
		r.skip()
		m.ID, m.Value = r.text(), r.value()
	case Completion:
		r.skip()
		m.ID = r.text()
		switch r.int() {
		case completionError:
			m.Error = r.text()
		case completionValue:
			m.Value = r.value()
		}
	case CancelInvocation:
		r.skip()
		m.ID = r.text()
	case Ping, Close, Ack, Sequence: // the kind alone matters
	}
	if r.err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, r.err)
	}
	return m, m.check()
}

// messagePackReader decodes MessagePack until the first error. All later values are zero.
type messagePackReader struct {
	rest []byte
	err  error
}

var errShort = errors.New("more elements than bytes")

// read decodes a value, or returns the zero value after an error.
func read[T any](r *messagePackReader, decode func([]byte) (T, []byte, error)) (value T) {
	if r.err == nil {
		value, r.rest, r.err = decode(r.rest)
	}
	return value
}

// array reads the length of an array and checks it against the bytes left.
func (r *messagePackReader) array() int {
	size := read(r, msgp.ReadArrayHeaderBytes)
	if r.err == nil && uint64(size) > uint64(len(r.rest)) {
		r.err = errShort
	}
	if r.err != nil {
		return 0
	}
	return int(size)
}

func (r *messagePackReader) int() int {
	n := read(r, msgp.ReadInt64Bytes)
	if n > math.MaxInt32 || n < math.MinInt32 {
		return 0
	}
	return int(n)
}

// text reads a string; nil reads as an empty string.
func (r *messagePackReader) text() string {
	if r.err == nil && msgp.IsNil(r.rest) {
		r.skip()
		return ""
	}
	return read(r, msgp.ReadStringBytes)
}

// value converts any value to JSON.
func (r *messagePackReader) value() json.RawMessage {
	whole := r.rest
	r.skip()
	if r.err != nil {
		return nil
	}
	var b bytes.Buffer
	_, r.err = msgp.UnmarshalAsJSON(&b, whole[:len(whole)-len(r.rest)])
	return b.Bytes()
}

func (r *messagePackReader) skip() {
	if r.err == nil {
		r.rest, r.err = msgp.Skip(r.rest)
	}
}

// readLength decodes the length prefix of a MessagePack message and returns the prefix's own size.
// The error is io.ErrUnexpectedEOF if the prefix is incomplete.
func readLength(b []byte) (length, size int, err error) {
	n, size := binary.Uvarint(b[:min(len(b), binary.MaxVarintLen32)])
	switch {
	case size > 0 && n <= math.MaxInt32:
		return int(n), size, nil
	case size == 0 && len(b) < binary.MaxVarintLen32:
		return 0, 0, io.ErrUnexpectedEOF
	default:
		return 0, 0, ErrMalformed
	}
}
