package signalr

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/gorilla/websocket"
)

// errKind is what a client gets its connection closed for.
var errKind = errors.New("text message in a binary protocol, or the other way round")

// socket carries records over one WebSocket. One goroutine reads, another one
// writes, to the connection below: frames are ready when they come. hangUp and
// expectEnd are for any.
type socket struct {
	ws      *websocket.Conn
	net     net.Conn
	raw     syscall.RawConn // nil: net only writes and waits
	only    byte            // the kind of messages that the protocol knows; 0: any
	message io.Reader       // the one being read; nil between two
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

// open begins with a socket whose control frames the handlers answer.
func (s *socket) open(ws *websocket.Conn, ping func(data string) error, bye func(code int, text string) error) {
	s.ws, s.net = ws, ws.NetConn()
	ws.SetPingHandler(ping)
	ws.SetCloseHandler(bye)
	if n, ok := s.net.(*net.TCPConn); ok {
		s.raw, _ = n.SyscallConn() // fails on a closed one, which writing tells as well
	}
}

func newUpgrader(o Options) websocket.Upgrader {
	return websocket.Upgrader{
		HandshakeTimeout: o.WriteTimeout,
		ReadBufferSize:   1 << 9,
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
