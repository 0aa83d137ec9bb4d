package load

import (
	"bytes"
	"fmt"
	"slices"
)

// Protocol is what a client of a server says, as text: the client understands
// none of it.
type Protocol struct {
	// Path is the request's of the nth connection.
	Path func(n int) string
	// Hello is said one after the other, each when the answer to the one before
	// has been seen.
	Hello []Step
	// Before and After stand around a text that is published.
	Before, After string
	// Ping is said every PingEvery by a client that keeps its connection, as the
	// protocol's own clients do. Empty: they say nothing by themselves.
	Ping string
	// Asks are what the stream contains when the server wants to know whether the
	// client lives. Answers is a whole frame.
	Asks    []string
	Answers []byte
	// Goodbye is what the stream contains when the server wants the client to go,
	// and waits for it. Empty: it just ends the connection.
	Goodbye string
}

// asked looks at what was read at once: the parts of a question come together.
func (p *Protocol) asked(data []byte) bool {
	return slices.ContainsFunc(p.Asks, func(ask string) bool { return bytes.Contains(data, []byte(ask)) })
}

// Step is one exchange of a handshake.
type Step struct {
	Say   string // empty: only wait
	Until string // what the stream contains then; empty: nothing is answered
}

const (
	opText = 1
	opPong = 10
)

// Pong answers a WebSocket ping without a body.
func Pong() []byte { return frame(opPong, nil) }

// Text is a whole frame with a short text.
func Text(text string) []byte { return frame(opText, []byte(text)) }

// frame is one of a client, so it is masked.
func frame(opcode byte, payload []byte) []byte {
	b := make([]byte, 0, len(payload)+8)
	b = append(b, 0x80|opcode)
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = append(b, 0x80|126, byte(n>>8), byte(n)) //nolint:gosec // what of n belongs there
	default:
		panic(fmt.Sprintf("load: a frame of %d bytes", n))
	}
	key := [4]byte{0x5a, 0xc3, 0x19, 0x7e} // nobody but the server is to be surprised
	b = append(b, key[:]...)
	for i, c := range payload {
		b = append(b, c^key[i&3])
	}
	return b
}

// upgrade is the request that opens a WebSocket.
func upgrade(addr, path string) []byte {
	return []byte("GET " + path + " HTTP/1.1\r\nHost: " + addr + "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: cGFybGV5LWJlbmNobWFyaw==\r\n\r\n")
}

// body is what follows the answer's head; false: the head has not ended.
func body(answer []byte) ([]byte, bool, error) {
	head, rest, whole := bytes.Cut(answer, []byte("\r\n\r\n"))
	if !whole {
		return nil, false, nil
	}
	if !bytes.HasPrefix(head, []byte("HTTP/1.1 101 ")) {
		return nil, false, fmt.Errorf("refused: %.300s", answer)
	}
	return rest, true, nil
}
