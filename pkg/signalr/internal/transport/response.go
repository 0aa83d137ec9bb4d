package transport

import (
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"
)

// response is a long-lived HTTP response: the server's own deadlines are removed, and each written
// piece has a deadline instead.
type response struct {
	w       http.ResponseWriter
	control *http.ResponseController
	timeout time.Duration

	mu      sync.Mutex
	writing bool
	aborted bool // no write may begin
	broken  bool // abort interrupted a write
	err     error
}

// newResponse removes the deadlines of the request. A server without support for deadlines sets none.
func newResponse(w http.ResponseWriter, timeout time.Duration) *response {
	r := &response{w: w, control: http.NewResponseController(w), timeout: timeout}
	_ = r.control.SetReadDeadline(time.Time{})
	_ = r.control.SetWriteDeadline(time.Time{})
	return r
}

// write writes a piece and waits until the client accepts the piece.
func (r *response) write(piece []byte) (n int, err error) {
	if !r.startWrite() {
		return 0, fmt.Errorf("write: %w", net.ErrClosed)
	}
	defer func() { r.endWrite(err) }()
	n, err = r.w.Write(piece)
	if err == nil {
		err = r.control.Flush()
	}
	if err != nil {
		return 0, fmt.Errorf("write: %w", err)
	}
	return n, nil
}

func (r *response) startWrite() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.aborted {
		return false
	}
	r.writing = true
	_ = r.control.SetWriteDeadline(time.Now().Add(r.timeout))
	return true
}

func (r *response) endWrite(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.writing, r.err = false, err
	if !r.broken {
		_ = r.control.SetWriteDeadline(time.Time{})
	}
}

// state reports whether a write is in progress, and the error of the last write.
func (r *response) state() (writing bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.writing, r.err
}

// abort interrupts a write in progress and forbids further writes.
func (r *response) abort() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.aborted = true
	if r.writing {
		r.broken = true
		_ = r.control.SetWriteDeadline(time.Unix(1, 0))
	}
}

// finish gives the server a deadline for the server's last write. It precedes the handler's return.
func (r *response) finish() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.broken {
		_ = r.control.SetWriteDeadline(time.Now().Add(r.timeout))
	}
}
