package wire

import (
	"encoding/binary"
	"math"
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

func (f Format) webSocket() bool { return f == JSONWebSocket || f == MessagePackWebSocket }

// Encode returns the frame of a message.
func (f Format) Encode(m *Message) []byte {
	if f.Binary() {
		return f.Frame(m.encodeMessagePack())
	}
	return f.Frame(m.encodeJSON())
}

// Parse decodes a record of the protocol.
func (f Format) Parse(record []byte) (*Message, error) {
	if f.Binary() {
		return parseMessagePack(record)
	}
	return parseJSON(record)
}

// An event of server-sent events is a single data line: records contain no line breaks.
const (
	eventStart = "data: "
	eventEnd   = "\r\n\r\n"
)

// Frame wraps a record in a frame of the transport.
func (f Format) Frame(record []byte) []byte {
	switch {
	case f.webSocket():
		return WebSocketFrame(f.Opcode(), record)
	case f == JSONServerSentEvents:
		event := make([]byte, 0, len(eventStart)+len(record)+len(eventEnd))
		return append(append(append(event, eventStart...), record...), eventEnd...)
	default:
		return record
	}
}

// LastFrames returns the last frame of a connection and, over a WebSocket, the close frame.
func (f Format) LastFrames(last []byte) [][]byte {
	if f.webSocket() {
		return [][]byte{last, normalClosure}
	}
	return [][]byte{last}
}

// Ping returns the frame of a hub protocol ping.
func (f Format) Ping() []byte { return pings[f] }

var pings = func() (frames [Formats][]byte) {
	for f := range Formats {
		frames[f] = f.Encode(&Message{Kind: Ping})
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

var normalClosure = WebSocketFrame(OpClose, []byte{1000 >> 8, 1000 & 0xff})

// Opcode returns the opcode of WebSocket messages that carry the protocol.
func (f Format) Opcode() byte {
	if f.Binary() {
		return OpBinary
	}
	return OpText
}

const maxFrameHeader = 10 // bytes

// WebSocketFrame returns a frame as servers send them: final and unmasked.
func WebSocketFrame(opcode byte, payload []byte) []byte {
	f := make([]byte, 2, maxFrameHeader+len(payload))
	f[0] = 0x80 | opcode
	switch n := len(payload); {
	case n < 126:
		f[1] = byte(n)
	case n <= math.MaxUint16:
		f[1] = 126
		f = binary.BigEndian.AppendUint16(f, uint16(n))
	default:
		f[1] = 127
		f = binary.BigEndian.AppendUint64(f, uint64(n))
	}
	return append(f, payload...)
}
