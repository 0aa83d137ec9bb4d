package transport

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/gorilla/websocket"

	"parley.internal/pkg/signalr/internal/wire"
)

// WebSocket is the transport over a WebSocket. Frames are ready when they arrive for writing, so
// WriteWait writes to the network connection below.
type WebSocket struct {
	ws      *websocket.Conn
	net     net.Conn
	timeout time.Duration // of a written piece
	only    byte          // the opcode of the protocol's messages; 0: any
	message io.Reader     // the message being read; nil between two messages
}

// NewWebSocket upgrades a request, or answers a bad request with reject. Each write has a timeout.
func NewWebSocket(
	w http.ResponseWriter, r *http.Request, timeout time.Duration, reject func(w http.ResponseWriter, status int, text string),
) (*WebSocket, error) {
	upgrader := websocket.Upgrader{
		HandshakeTimeout: timeout,
		ReadBufferSize:   1 << 8, // larger reads bypass the buffer
		WriteBufferPool:  noBuffers{},
		CheckOrigin:      func(*http.Request) bool { return true }, // Options.AllowOrigin has accepted the request
		Error: func(w http.ResponseWriter, _ *http.Request, status int, reason error) {
			reject(w, status, reason.Error())
		},
	}
	ws, err := upgrader.Upgrade(hijacker{w}, r, nil)
	if err != nil {
		return nil, fmt.Errorf("upgrade: %w", err)
	}
	return &WebSocket{ws: ws, net: ws.NetConn(), timeout: timeout}, nil
}

// noBuffers is the pool of gorilla's write buffers: gorilla writes the answer to the upgrade only, and
// without a buffer.
type noBuffers struct{}

func (noBuffers) Get() any { return nil }
func (noBuffers) Put(any)  {}

// hijacker finds the connection of a ResponseWriter wrapped by middleware.
type hijacker struct{ http.ResponseWriter }

func (h hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(h.ResponseWriter).Hijack()
}

// HandleControl sets the functions for answers to control frames: a pong frame for each ping of the
// client, and a close frame for the closing handshake. They are called while reading.
func (s *WebSocket) HandleControl(sendPong func(frame []byte), sendClose func(frames ...[]byte)) {
	s.ws.SetPingHandler(func(data string) error {
		sendPong(wire.ControlFrame(wire.OpPong, []byte(data)))
		return nil
	})
	s.ws.SetCloseHandler(func(code int, _ string) error {
		var payload []byte
		if code != websocket.CloseNoStatusReceived {
			payload = websocket.FormatCloseMessage(code, "")
		}
		sendClose(wire.ControlFrame(wire.OpClose, payload))
		return nil
	})
}

// Socket returns the TCP socket for writes without waiting, or nil for another kind of connection.
func (s *WebSocket) Socket() syscall.RawConn {
	tcp, ok := s.net.(*net.TCPConn)
	if !ok {
		return nil
	}
	socket, _ := tcp.SyscallConn() // nil if the connection is closed: writing fails as well
	return socket
}

// Wait waits for the next message to begin.
func (s *WebSocket) Wait() error {
	if s.message != nil {
		if _, err := s.message.Read(nil); !errors.Is(err, io.EOF) {
			return nil // the next Read reports any error
		}
		s.message = nil
	}
	opcode, message, err := s.ws.NextReader()
	if err != nil {
		return err
	}
	if s.only != 0 && opcode != int(s.only) {
		return ErrMessageType
	}
	s.message = message
	return nil
}

// Read reads the messages as a single byte stream.
func (s *WebSocket) Read(p []byte) (int, error) {
	for {
		if s.message == nil {
			if err := s.Wait(); err != nil {
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

// WriteWait implements Transport. Setting a deadline fails on a closed socket only.
func (s *WebSocket) WriteWait(batch [][]byte, wrote func(bytes int)) error {
	defer func() { _ = s.net.SetWriteDeadline(time.Time{}) }()
	return writePieces(batch, func(piece []byte) (int, error) {
		_ = s.net.SetWriteDeadline(time.Now().Add(s.timeout))
		n, err := s.net.Write(piece)
		if err != nil {
			return n, fmt.Errorf("write: %w", err)
		}
		return n, nil
	}, wrote)
}

// SetReadDeadline implements Transport.
func (s *WebSocket) SetReadDeadline(at time.Time) { _ = s.ws.SetReadDeadline(at) }

// Begin implements Transport.
func (s *WebSocket) Begin(f wire.Format) {
	s.only = f.Opcode()
	_ = s.ws.SetReadDeadline(time.Time{})
}

// ExpectClose implements Transport.
func (s *WebSocket) ExpectClose(within time.Duration) { s.SetReadDeadline(time.Now().Add(within)) }

// Close implements Transport.
func (s *WebSocket) Close() { _ = s.ws.Close() }

// PeerClosed reports whether the client has closed its end, even if bytes sent before are unread.
func (s *WebSocket) PeerClosed() bool { return peerClosed(s.Socket()) }
