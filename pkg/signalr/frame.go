package signalr

import (
	"encoding/binary"
	"math"

	"github.com/gorilla/websocket"
)

// format is how a client gets its messages: the protocol's records in the
// transport's frames. What is sent to many is made once for each.
type format uint8

const (
	jsonText format = iota // the JSON protocol in text frames
	formats
)

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

// frame makes what a client of this format reads of a record.
func (format) frame(record []byte) []byte {
	return frame(websocket.TextMessage, record)
}

// pingFrames keep a connection alive.
var pingFrames = func() (frames [formats][]byte) {
	for f := range formats {
		frames[f] = f.frame(pingRecord)
	}
	return frames
}()

var normalClosure = frame(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""))
