package wire

import (
	"encoding/binary"
	"math"
	"slices"
)

// Format is the representation of messages for a client: the records of a protocol in the frames of
// a transport. A broadcast is encoded once per format.
type Format uint8

// The formats.
const (
	JSONWebSocket          Format = iota // JSON in text frames
	MessagePackWebSocket                 // MessagePack in binary frames
	JSONServerSentEvents                 // JSON in events
	JSONLongPolling                      // bare JSON
	MessagePackLongPolling               // bare MessagePack
	Formats                              // the number of formats
)

// Binary reports whether the protocol is MessagePack.
func (f Format) Binary() bool { return f == MessagePackWebSocket || f == MessagePackLongPolling }

// Encode returns the frame of a message from NewMessage or HandshakeResponse.
func (f Format) Encode(m *Message) []byte {
	record := m.Record
	switch f {
	case JSONServerSentEvents: // an event is a single data line: records contain no line breaks
		return slices.Concat([]byte("data: "), record, []byte("\r\n\r\n"))
	case JSONLongPolling:
		return record
	case MessagePackLongPolling:
		return m.encodeMessagePack()
	case MessagePackWebSocket:
		record = m.encodeMessagePack()
	default:
	}
	frame := make([]byte, 2, maxFrameHeader+len(record))
	frame[0] = finalFrame | opcodes[f]
	switch n := len(record); {
	case n < 126:
		frame[1] = byte(n)
	case n <= math.MaxUint16:
		frame[1] = 126
		frame = binary.BigEndian.AppendUint16(frame, uint16(n))
	default:
		frame[1] = 127
		frame = binary.BigEndian.AppendUint64(frame, uint64(n))
	}
	return append(frame, record...)
}

// Parse decodes a record of the protocol.
func (f Format) Parse(record []byte) (*Message, error) {
	if f.Binary() {
		return parseMessagePack(record)
	}
	return parseJSON(record)
}

// LastFrames returns the frame of the last message and, over a WebSocket, the close frame.
func (f Format) LastFrames(last *Message) [][]byte {
	if f == JSONWebSocket || f == MessagePackWebSocket {
		return [][]byte{f.Encode(last), normalClosure}
	}
	return [][]byte{f.Encode(last)}
}

// Ping returns the frame of a hub protocol ping.
func (f Format) Ping() []byte { return pings[f] }

var pings = func() (frames [Formats][]byte) {
	ping, _ := NewMessage(Message{Kind: Ping}) // without values, there is no error
	for f := range Formats {
		frames[f] = f.Encode(ping)
	}
	return frames
}()

// The opcodes of WebSocket frames (RFC 6455, section 5.2).
const (
	OpText   = 1
	OpBinary = 2
	OpClose  = 8
	OpPong   = 10
)

var opcodes = [Formats]byte{JSONWebSocket: OpText, MessagePackWebSocket: OpBinary}

// Opcode returns the opcode of the protocol's WebSocket messages, or 0 for the format of another transport.
func (f Format) Opcode() byte { return opcodes[f] }

// Servers send frames unmasked.
const (
	finalFrame     = 0x80 // the flag of the first byte
	maxFrameHeader = 10   // bytes
)

// ControlFrame returns a WebSocket frame with a payload of at most 125 bytes.
func ControlFrame(opcode byte, payload []byte) []byte {
	return append([]byte{finalFrame | opcode, byte(len(payload) & 0x7f)}, payload...)
}

var normalClosure = ControlFrame(OpClose, []byte{1000 >> 8, 1000 & 0xff})
