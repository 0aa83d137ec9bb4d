package signalr

import (
	"encoding/binary"
	"math"

	"github.com/gorilla/websocket"
)

// format is how a client gets its messages: a protocol's records in a
// transport's frames. What is sent to many is made once for each.
type format uint8

const (
	jsonText      format = iota // the JSON protocol in a WebSocket's text messages
	msgpackBinary               // the MessagePack protocol in binary ones
	jsonEvent                   // JSON in server-sent events
	jsonPoll                    // JSON as it is
	msgpackPoll                 // MessagePack as it is
	formats
)

// binary says whether the protocol is MessagePack.
func (f format) binary() bool { return f == msgpackBinary || f == msgpackPoll }

// encode makes the frame of a message.
func (f format) encode(o *outbound) []byte {
	if f.binary() {
		return f.frame(o.msgpack())
	}
	return f.frame(o.json())
}

// parse reads a record of the protocol.
func (f format) parse(record []byte) (*message, error) {
	if f.binary() {
		return parseMsgpack(record)
	}
	return parseJSON(record)
}

const maxHeader = 10 // bytes

// frame makes one WebSocket frame as servers send them, unmasked and whole.
func frame(kind byte, payload []byte) []byte {
	f := make([]byte, 2, maxHeader+len(payload))
	f[0] = 0x80 | kind
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

// message is the kind of WebSocket messages that it takes.
func (f format) message() byte {
	if f.binary() {
		return websocket.BinaryMessage
	}
	return websocket.TextMessage
}

// frame makes what a client of this format reads of a record.
func (f format) frame(record []byte) []byte {
	switch f {
	case jsonEvent:
		event := make([]byte, 0, len(eventStart)+len(record)+len(eventEnd))
		return append(append(append(event, eventStart...), record...), eventEnd...)
	case jsonPoll, msgpackPoll:
		return record
	default:
		return frame(f.message(), record)
	}
}

// A record has no line breaks: it is one event.
const (
	eventStart = "data: "
	eventEnd   = "\r\n\r\n"
)

// end is the last frame, and what else the transport has to say at the end.
func (f format) end(last []byte) [][]byte {
	if f == jsonText || f == msgpackBinary {
		return [][]byte{last, normalClosure}
	}
	return [][]byte{last}
}

// pingFrames keep a connection alive.
var pingFrames = func() (frames [formats][]byte) {
	for f := range formats {
		frames[f] = f.encode(&outbound{kind: kindPing})
	}
	return frames
}()

var normalClosure = frame(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""))
