package signalr

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// errBinary is what a client gets its connection closed for.
var errBinary = errors.New("binary message in a text protocol")

// socket carries records over one WebSocket. One goroutine reads, another one
// writes; hangUp and expectEnd are for any.
type socket struct {
	ws       *websocket.Conn
	textOnly bool
	message  io.Reader // the one being read; nil between two
}

func newUpgrader(o Options) websocket.Upgrader {
	return websocket.Upgrader{
		HandshakeTimeout: o.WriteTimeout,
		ReadBufferSize:   1 << 10,
		WriteBufferSize:  4 << 10,
		WriteBufferPool:  &sync.Pool{},                             // an idle connection needs none
		CheckOrigin:      func(*http.Request) bool { return true }, // the hub has asked AllowOrigin
		Error: func(w http.ResponseWriter, _ *http.Request, status int, reason error) {
			refuse(w, status, reason.Error())
		},
	}
}

// hijacker finds the connection under a ResponseWriter that middleware wrapped.
type hijacker struct{ http.ResponseWriter }

func (h hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(h.ResponseWriter).Hijack()
}

// Read reads the bytes of one WebSocket message after the other: their
// boundaries mean nothing to the hub protocol.
func (s *socket) Read(p []byte) (int, error) {
	for {
		if s.message == nil {
			kind, message, err := s.ws.NextReader()
			if err != nil {
				return 0, err
			}
			if kind == websocket.BinaryMessage && s.textOnly {
				return 0, errBinary
			}
			s.message = message
		}
		n, err := s.message.Read(p)
		if errors.Is(err, io.EOF) {
			s.message, err = nil, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}

// write sends the records as one message.
func (s *socket) write(deadline time.Time, records ...[]byte) error {
	_ = s.ws.SetWriteDeadline(deadline) // only notes it
	if len(records) == 1 {
		if err := s.ws.WriteMessage(websocket.TextMessage, records[0]); err != nil {
			return fmt.Errorf("write: %w", err)
		}
		return nil
	}
	w, err := s.ws.NextWriter(websocket.TextMessage)
	if err != nil {
		return fmt.Errorf("write: %w", err)
	}
	for _, record := range records {
		if _, err := w.Write(record); err != nil {
			return fmt.Errorf("write: %w", err)
		}
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("write: %w", err)
	}
	return nil
}

// sayGoodbye starts the closing handshake; the peer has until linger from now
// to answer it. Closing at once instead can cost the peer what it has not read.
func (s *socket) sayGoodbye(deadline time.Time, linger time.Duration) {
	bye := websocket.FormatCloseMessage(websocket.CloseNormalClosure, "")
	if err := s.ws.WriteControl(websocket.CloseMessage, bye, deadline); err != nil {
		s.hangUp()
		return
	}
	s.expectEnd(linger)
}

// discard reads until the peer has closed, or until the deadline of expectEnd.
func (s *socket) discard() {
	for {
		if _, _, err := s.ws.NextReader(); err != nil {
			return
		}
	}
}

// expectEnd lets reading go on for so long.
func (s *socket) expectEnd(within time.Duration) {
	_ = s.ws.SetReadDeadline(time.Now().Add(within)) // fails on a closed socket only
}

func isTimeout(err error) bool {
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout()
}

// hangUp ends reading and writing now.
func (s *socket) hangUp() { _ = s.ws.Close() }
