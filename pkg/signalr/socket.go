package signalr

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/gorilla/websocket"
)

// errKind is what a client gets its connection closed for.
var errKind = errors.New("text message in a binary protocol, or the other way round")

// socket carries records over one WebSocket. One goroutine reads, another one
// writes, to the connection below: frames are ready when they come.
type socket struct {
	ws      *websocket.Conn
	net     net.Conn
	timeout time.Duration // of a piece that is written
	only    byte          // the kind of messages that the protocol knows; 0: any
	message io.Reader     // the one being read; nil between two
}

// wait returns when a message has begun.
func (s *socket) wait() error {
	if s.message != nil {
		if _, err := s.message.Read(nil); !errors.Is(err, io.EOF) {
			return nil // Whatever is wrong with it, reading on tells.
		}
		s.message = nil
	}
	kind, message, err := s.ws.NextReader()
	if err != nil {
		return err
	}
	if s.only != 0 && kind != int(s.only) {
		return errKind
	}
	s.message = message
	return nil
}

// upgrade begins a connection over a WebSocket. Handlers answer control frames.
func (h *Hub) upgrade(c *Conn, w http.ResponseWriter, r *http.Request) {
	ws, err := h.upgrader.Upgrade(hijacker{w}, r, nil)
	if err != nil { // and Upgrade has said so
		h.abandon(c)
		return
	}
	ws.SetPingHandler(c.pong)
	ws.SetCloseHandler(c.goodbye)
	s := &socket{ws: ws, net: ws.NetConn(), timeout: h.options.WriteTimeout}
	if n, ok := s.net.(*net.TCPConn); ok {
		c.raw, _ = n.SyscallConn() // fails on a closed one, which writing tells as well
	}
	c.carry(s)
	go c.begin() // owned by the door, which Wait waits for
}

func newUpgrader(o Options) websocket.Upgrader {
	return websocket.Upgrader{
		HandshakeTimeout: o.WriteTimeout,
		ReadBufferSize:   1 << 8, // what is larger is read past it
		WriteBufferPool:  new(unused),
		CheckOrigin:      func(*http.Request) bool { return true }, // the hub has asked AllowOrigin
		Error: func(w http.ResponseWriter, _ *http.Request, status int, reason error) {
			refuse(w, status, reason.Error())
		},
	}
}

// unused is the pool of gorilla's write buffers: it writes the answer to the
// upgrade only, and without them.
type unused struct{}

func (unused) Get() any { return nil }
func (unused) Put(any)  {}

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
			if err := s.wait(); err != nil {
				return 0, err
			}
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

// write implements carrier. Setting deadlines fails on a closed socket only.
func (s *socket) write(batch [][]byte, took func(bytes int)) error {
	defer func() { _ = s.net.SetWriteDeadline(time.Time{}) }()
	return inPieces(batch, func(piece []byte) (int, error) {
		_ = s.net.SetWriteDeadline(time.Now().Add(s.timeout))
		n, err := s.net.Write(piece)
		if err != nil {
			return n, fmt.Errorf("write: %w", err)
		}
		return n, nil
	}, took)
}

func (s *socket) readBy(at time.Time) { _ = s.ws.SetReadDeadline(at) }

// heed implements carrier. That a write fails tells as well; see Conn.lose.
func (s *socket) heed(ctx context.Context) (context.Context, context.CancelFunc) {
	return ctx, func() {}
}

func (s *socket) begin(f format) {
	s.only = f.message()
	_ = s.ws.SetReadDeadline(time.Time{})
}

func (s *socket) expectEnd(within time.Duration) { s.readBy(time.Now().Add(within)) }

func isTimeout(err error) bool {
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout()
}

func (s *socket) hangUp() { _ = s.ws.Close() }
