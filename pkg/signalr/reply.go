package signalr

import (
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// reply is an answer to a request that takes its time: the server's deadlines do
// not end it, but each piece has one.
type reply struct {
	w       http.ResponseWriter
	to      *http.ResponseController
	timeout time.Duration

	mu      sync.Mutex
	writing bool
	cut     bool // no write begins any more
	broken  bool // one was ended
	err     error
}

// newReply has the client's request wait without end. A server that knows no
// deadlines sets none either.
func newReply(w http.ResponseWriter, timeout time.Duration) *reply {
	a := &reply{w: w, to: http.NewResponseController(w), timeout: timeout}
	_ = a.to.SetReadDeadline(time.Time{})
	_ = a.to.SetWriteDeadline(time.Time{})
	return a
}

// write writes a piece, and waits until the client takes it.
func (a *reply) write(piece []byte) (n int, err error) {
	if !a.start() {
		return 0, fmt.Errorf("write: %w", net.ErrClosed)
	}
	defer func() { a.stop(err) }()
	n, err = a.w.Write(piece)
	if err == nil {
		err = a.to.Flush()
	}
	if err != nil {
		return 0, fmt.Errorf("write: %w", err)
	}
	return n, nil
}

func (a *reply) start() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.cut {
		return false
	}
	a.writing = true
	_ = a.to.SetWriteDeadline(time.Now().Add(a.timeout))
	return true
}

func (a *reply) stop(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.writing, a.err = false, err
	if !a.broken {
		_ = a.to.SetWriteDeadline(time.Time{})
	}
}

// state is whether something is being written, and what became of the last piece.
func (a *reply) state() (writing bool, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.writing, a.err
}

// abort ends a write that waits, and has none begin.
func (a *reply) abort() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.cut = true
	if a.writing {
		a.broken = true
		_ = a.to.SetWriteDeadline(time.Unix(1, 0))
	}
}

// finish is before the handler returns, which writes as well.
func (a *reply) finish() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.broken {
		_ = a.to.SetWriteDeadline(time.Now().Add(a.timeout))
	}
}
