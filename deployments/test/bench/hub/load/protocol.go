package load

import (
	"bytes"
	"fmt"
	"slices"
)

// Protocol holds the messages of a server's protocol as fixed texts. The client
// does not parse any message.
type Protocol struct {
	// Path returns the request path of the nth connection.
	Path func(n int) string
	// Hello is the handshake: each step is sent after the reply to the step before.
	Hello []Step
	// Before and After enclose a published text.
	Before, After string
	// KeepAlive is sent every PingEvery, as by the protocol's own clients. Empty:
	// they send no pings.
	KeepAlive string
	// Pings are the forms of the server's ping in the stream. Pong is the frame of
	// the reply.
	Pings []string
	Pong  []byte
	// Close is the server's close message in the stream: the server then waits for
	// the client to close. Empty: the server closes the connection.
	Close string
}

// pinged reports whether bytes of one read contain a ping. A ping is never split
// over two reads.
func (p *Protocol) pinged(data []byte) bool {
	return slices.ContainsFunc(p.Pings, func(ping string) bool { return bytes.Contains(data, []byte(ping)) })
}

// Step is one exchange of a handshake.
type Step struct {
	Send  string // empty: only wait
	Until string // in the reply; empty: there is no reply
}

const (
	opText = 1
	opPong = 10
)

// Pong returns the frame that answers a WebSocket ping without a body.
func Pong() []byte { return frame(opPong, nil) }

// Text returns a frame with a short text.
func Text(text string) []byte { return frame(opText, []byte(text)) }

// frame returns a client's frame, which is masked.
func frame(opcode byte, payload []byte) []byte {
	b := make([]byte, 0, len(payload)+8)
	b = append(b, 0x80|opcode)
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = append(b, 0x80|126, byte(n>>8), byte(n)) //nolint:gosec // the low byte
	default:
		panic(fmt.Sprintf("load: a frame of %d bytes", n))
	}
	key := [4]byte{0x5a, 0xc3, 0x19, 0x7e} // any key will do
	b = append(b, key[:]...)
	for i, c := range payload {
		b = append(b, c^key[i&3])
	}
	return b
}

// upgrade returns the request that opens a WebSocket.
func upgrade(addr, path string) []byte {
	return []byte("GET " + path + " HTTP/1.1\r\nHost: " + addr + "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: cGFybGV5LWJlbmNobWFyaw==\r\n\r\n")
}

// body returns the bytes after the response's head; false: the head is incomplete.
func body(answer []byte) ([]byte, bool, error) {
	head, rest, whole := bytes.Cut(answer, []byte("\r\n\r\n"))
	if !whole {
		return nil, false, nil
	}
	if !bytes.HasPrefix(head, []byte("HTTP/1.1 101 ")) {
		return nil, false, fmt.Errorf("upgrade rejected: %.300s", answer)
	}
	return rest, true, nil
}
