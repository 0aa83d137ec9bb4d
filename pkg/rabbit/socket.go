package rabbit

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	readTimeout  = 3 * heartbeat    // without any byte, the broker is considered dead
	writeTimeout = 10 * time.Second // of one write; a blocked broker does not read
	maxBuffered  = 64 << 10         // bytes combined into one write
)

// socket is the TCP connection of a session. Any goroutine may close it at any time, whatever the
// library is waiting for.
type socket struct {
	net.Conn

	responded atomic.Bool // the broker has sent at least one byte
	limiter   byteLimiter // pauses reading

	writing   sync.Mutex
	buffer    *bufio.Writer // writes to the connection
	buffering bool          // no flush after each write

	mu       sync.Mutex
	closed   bool
	timer    *time.Timer
	exceeded time.Duration // the deadline after which the socket was closed; 0 for none
}

// dial returns a dialer with a context for the library.
func (w *socket) dial(ctx context.Context) func(network, addr string) (net.Conn, error) {
	return func(network, addr string) (net.Conn, error) {
		dialer := net.Dialer{Timeout: dialTimeout}
		conn, err := dialer.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.Conn, w.buffer = conn, bufio.NewWriterSize(timedWriter{conn}, maxBuffered)
		if w.closed {
			_ = conn.Close() // The library notices at its first write.
		}
		return w, nil
	}
}

// Read implements net.Conn. It applies backpressure: while the byte limiter is exhausted, nothing
// is read and the broker has to wait. The pause does not count as silence of the broker.
func (w *socket) Read(b []byte) (int, error) {
	if w.limiter.wait() {
		if err := w.SetReadDeadline(time.Now().Add(readTimeout)); err != nil {
			return 0, err
		}
	}
	n, err := w.Conn.Read(b)
	if n > 0 {
		w.responded.Store(true)
	}
	return n, err
}

// Write implements net.Conn. While buffering, small writes are combined.
func (w *socket) Write(b []byte) (int, error) {
	w.writing.Lock()
	defer w.writing.Unlock()
	n, err := w.buffer.Write(b)
	if err == nil && !w.buffering {
		err = w.buffer.Flush()
	}
	return n, err
}

// startBuffering combines the following writes: the library writes each message on its own, at a
// higher cost for the library, the system and the broker than the message itself. A call of
// stopBuffering must follow soon.
func (w *socket) startBuffering() {
	w.writing.Lock()
	defer w.writing.Unlock()
	w.buffering = true
}

// stopBuffering writes the buffered bytes. An error closes the connection, as after a write of the
// library.
func (w *socket) stopBuffering() error {
	w.writing.Lock()
	defer w.writing.Unlock()
	w.buffering = false
	err := w.buffer.Flush()
	if err != nil {
		w.abort()
	}
	return err
}

// timedWriter gives each write a deadline; the library sets deadlines for reads only, by
// heartbeats.
type timedWriter struct{ net.Conn }

func (w timedWriter) Write(b []byte) (int, error) {
	if err := w.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err
	}
	return w.Conn.Write(b)
}

// Close implements net.Conn.
func (w *socket) Close() error {
	w.limiter.disable()
	return w.Conn.Close()
}

// closeAfter closes the socket after d, unless called again before; 0 removes the deadline. The
// library's own calls wait without a deadline.
func (w *socket) closeAfter(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer != nil {
		w.timer.Stop()
	}
	if d == 0 {
		return
	}
	w.timer = time.AfterFunc(d, func() {
		w.mu.Lock()
		if !w.closed {
			w.exceeded = d
		}
		w.mu.Unlock()
		w.abort()
	})
}

// cause explains an error of an operation on the socket: after an exceeded deadline, the library
// reports nothing but a closed connection. Deadlines shorter than setupTimeout belong to a close
// with another cause.
func (w *socket) cause(err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil || w.exceeded < setupTimeout {
		return err
	}
	return fmt.Errorf("broker did not respond within %s", w.exceeded)
}

// abort closes the socket at any stage, even before the end of dial.
func (w *socket) abort() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	if w.Conn != nil {
		_ = w.Close() // It may be closed already.
	}
}
