package rabbit

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// wire is the TCP connection under a session. It can be cut at any time, by
// anybody, whatever the library waits for.
type wire struct {
	net.Conn

	heard atomic.Bool // the broker said something
	gate  gate        // before what it says

	writing sync.Mutex
	held    []byte // what is written while it is held
	holds   bool

	mu       sync.Mutex
	isCut    bool
	detached bool // from the context that it was dialled with
	timer    *time.Timer
	late     time.Duration // the limit that ended it; 0: none did
}

// dial is the library's dialer with a context.
func (w *wire) dial(ctx context.Context) func(network, addr string) (net.Conn, error) {
	return func(network, addr string) (net.Conn, error) {
		dialer := net.Dialer{Timeout: dialTimeout}
		conn, err := dialer.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err //nolint:wrapcheck // connect says what it was doing.
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.Conn = conn
		if w.isCut {
			_ = conn.Close() // The library is told by its first write.
		}
		return w, nil
	}
}

// Read implements net.Conn. While the gate is shut it reads nothing, so that the
// broker has to wait; that time is not the broker's silence.
func (w *wire) Read(b []byte) (int, error) {
	if w.gate.pass() {
		if err := w.SetReadDeadline(time.Now().Add(silence)); err != nil {
			return 0, err //nolint:wrapcheck // It stands for the connection's own Read.
		}
	}
	n, err := w.Conn.Read(b)
	if n > 0 {
		w.heard.Store(true)
	}
	return n, err //nolint:wrapcheck // It stands for the connection's own Read.
}

// Write bounds each write: the library bounds only reads, by heartbeats. While
// the wire is held, what is written is sent with what follows it.
func (w *wire) Write(b []byte) (int, error) {
	w.writing.Lock()
	defer w.writing.Unlock()
	if !w.holds {
		return w.write(b)
	}
	if w.held = append(w.held, b...); len(w.held) < heldMost { // A frame more at most.
		return len(b), nil
	}
	return len(b), w.flush()
}

// hold has few large writes made of many small ones: the library makes one of
// each message, which costs it, the system and the broker more than the message
// itself. What is held is sent by send, which must follow soon.
func (w *wire) hold() {
	w.writing.Lock()
	defer w.writing.Unlock()
	w.holds = true
}

// send ends a hold. What cannot be sent is the end of the connection, as it is
// when the library writes.
func (w *wire) send() error {
	w.writing.Lock()
	defer w.writing.Unlock()
	w.holds = false
	if err := w.flush(); err != nil {
		w.end()
		return err
	}
	return nil
}

func (w *wire) flush() error {
	defer func() { w.held = w.held[:0] }()
	if len(w.held) == 0 {
		return nil
	}
	_, err := w.write(w.held)
	return err
}

func (w *wire) write(b []byte) (int, error) {
	if err := w.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, err //nolint:wrapcheck // It stands for the connection's own Write.
	}
	return w.Conn.Write(b) //nolint:wrapcheck // As above.
}

// Close implements net.Conn.
func (w *wire) Close() error {
	w.gate.end()
	return w.Conn.Close() //nolint:wrapcheck // It stands for the connection's own Close.
}

// limit cuts the wire in d, unless it is called again before; with 0 never.
func (w *wire) limit(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer != nil {
		w.timer.Stop()
		w.timer = nil
	}
	if d > 0 {
		w.timer = time.AfterFunc(d, func() {
			w.mu.Lock()
			if !w.isCut {
				w.late = d
			}
			w.mu.Unlock()
			w.end()
		})
	}
}

// cause is what err, of something done on the wire, comes from: all that the
// library knows of a limit is that the connection was closed. A limit that is
// shorter than for an answer is for an end that has a cause.
func (w *wire) cause(err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil || w.late < setupTimeout {
		return err
	}
	return fmt.Errorf("the broker did not answer in %s", w.late)
}

// detach has cut do nothing any more: what is in hand is finished first.
func (w *wire) detach() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.detached = true
}

// cut ends what waits for the broker, unless the wire was detached.
func (w *wire) cut() {
	w.mu.Lock()
	detached := w.detached
	w.mu.Unlock()
	if !detached {
		w.end()
	}
}

func (w *wire) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.isCut = true
	if w.Conn != nil {
		_ = w.Close() // It may have ended already.
	}
}

// release stops what would cut the wire.
func (w *wire) release() { w.limit(0) }
