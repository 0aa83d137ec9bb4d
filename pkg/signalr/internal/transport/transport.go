// Package transport carries the bytes of a connection over WebSockets, server-sent events or long
// polling. A transport knows neither messages nor hubs: bytes of the client go in, ready frames go
// out.
package transport

import (
	"errors"
	"io"
	"net"
	"slices"
	"time"

	"github.com/gorilla/websocket"

	"parley.internal/pkg/signalr/internal/wire"
)

var (
	// ErrLeft ends reading when the client announced the end.
	ErrLeft = errors.New("client has left")
	// ErrClosed is the error of a request for an ended connection.
	ErrClosed = errors.New("connection has ended")
	// ErrTooManyRequests is the error of a request when too many requests of the client wait.
	ErrTooManyRequests = errors.New("too many requests of this connection wait")
	// ErrMessageType is the error of a text message in a binary protocol, or the other way round.
	ErrMessageType = errors.New("text message in a binary protocol, or the other way round")
)

// Transport carries a connection. One goroutine reads and another writes; the other methods are safe
// for concurrent use.
type Transport interface {
	// Reader reads the client's bytes. Boundaries between reads mean nothing.
	io.Reader
	// WriteWait writes a batch, waits until the client has read enough to accept all of the batch,
	// and reports the accepted bytes to wrote.
	WriteWait(batch [][]byte, wrote func(bytes int)) error
	// SetReadDeadline makes reading fail with a timeout at a time, until Begin.
	SetReadDeadline(at time.Time)
	// Begin ends the handshake: the deadline is removed and the format is fixed.
	Begin(f wire.Format)
	// ExpectClose follows the last write: the client has a limited time to close the connection.
	ExpectClose(within time.Duration)
	// Close ends reading and writing at once.
	Close()
}

// pieceSize is the number of bytes that a client must read within the write timeout.
const pieceSize = 16 << 10

// writePieces writes a batch in pieces that are small enough for a deadline each.
func writePieces(batch [][]byte, write func(piece []byte) (int, error), wrote func(bytes int)) error {
	for _, frames := range batch {
		for piece := range slices.Chunk(frames, pieceSize) {
			n, err := write(piece)
			wrote(n)
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// IsTimeout reports whether an error is a missed deadline.
func IsTimeout(err error) bool {
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout()
}

// ClosedByClient reports whether reading ended because the client closed the connection on purpose.
func ClosedByClient(err error) bool {
	return errors.Is(err, ErrLeft) ||
		websocket.IsCloseError(err, websocket.CloseNormalClosure, websocket.CloseGoingAway, websocket.CloseNoStatusReceived)
}
