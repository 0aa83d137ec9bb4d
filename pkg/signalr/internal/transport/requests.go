package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"parley.internal/pkg/signalr/internal/wire"
)

const (
	// maxRequests is the number of requests of a client that may wait to be read. The current client
	// sends one at a time, older clients one per call.
	maxRequests = 128
	bodyBuffer  = 4 << 10 // bytes
)

// Requests is the byte stream of a client that sends each message in a request of its own. Bodies are
// read one after the other and on demand: a request waits, and nothing is buffered.
type Requests struct {
	waiting  chan struct{} // semaphore of waiting requests; a request beyond its capacity is rejected
	turn     chan struct{} // semaphore of the request whose body is read
	pieces   chan []byte   // of that body
	consumed chan struct{} // one element after each piece
	rest     []byte        // unread part of a piece

	reading     context.Context //nolint:containedctx // ends with reading; its cause is the reason
	stopReading context.CancelCauseFunc
	open        context.Context //nolint:containedctx // ends with the connection
	stop        context.CancelFunc

	mu       sync.Mutex
	late     chan struct{} // closed at the read deadline
	deadline *time.Timer   // nil: none
}

func newRequests() *Requests {
	r := &Requests{
		waiting: make(chan struct{}, maxRequests), turn: make(chan struct{}, 1),
		pieces: make(chan []byte), consumed: make(chan struct{}), late: make(chan struct{}),
	}
	r.reading, r.stopReading = context.WithCancelCause(context.Background())
	r.open, r.stop = context.WithCancel(context.Background())
	return r
}

// Wait waits for bytes.
func (r *Requests) Wait() error {
	late, err := r.state()
	if err != nil || len(r.rest) > 0 {
		return err
	}
	select {
	case r.rest = <-r.pieces:
		return nil
	case <-late:
		return os.ErrDeadlineExceeded
	case <-r.reading.Done():
		return context.Cause(r.reading)
	}
}

// Read implements Transport.
func (r *Requests) Read(p []byte) (int, error) {
	if err := r.Wait(); err != nil {
		return 0, err
	}
	n := copy(p, r.rest)
	if r.rest = r.rest[n:]; len(r.rest) == 0 {
		select {
		case r.consumed <- struct{}{}:
		case <-r.reading.Done():
		}
	}
	return n, nil
}

// state returns the channel of the read deadline, and the reason if reading has ended.
func (r *Requests) state() (late <-chan struct{}, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.late, context.Cause(r.reading)
}

// deliver passes a piece to the reader and returns when the piece has been read.
func (r *Requests) deliver(piece []byte) error {
	select {
	case r.pieces <- piece:
	case <-r.reading.Done():
		return ErrClosed
	}
	select {
	case <-r.consumed:
		return nil
	case <-r.reading.Done():
		return ErrClosed
	}
}

// Receive reads the body of a request to its end. Each read from the network has a deadline. The
// error is ErrClosed, ErrTooManyRequests, or about the request.
func (r *Requests) Receive(request *http.Request, control *http.ResponseController, timeout time.Duration) error {
	select {
	case r.waiting <- struct{}{}:
		defer func() { <-r.waiting }()
	default:
		return ErrTooManyRequests
	}
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-r.open.Done():
		return ErrClosed
	case <-request.Context().Done():
		return context.Cause(request.Context())
	}
	// A server without deadlines needs one here, and a deadline of the server for the whole request
	// would include the time that the request waits.
	defer func() { _ = control.SetWriteDeadline(time.Now().Add(timeout)) }()
	buffer, received := make([]byte, bodyBuffer), false
	for {
		_ = control.SetReadDeadline(time.Now().Add(timeout))
		n, err := request.Body.Read(buffer)
		if n > 0 {
			received = true
			if err := r.deliver(buffer[:n]); err != nil {
				return err
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			err = fmt.Errorf("read a message: %w", err)
			if received {
				r.endReading(err) // the start of the next message is unknown
			}
			return err
		}
	}
}

// endReading ends reading for a reason, unless reading has ended.
func (r *Requests) endReading(reason error) {
	r.stopReading(reason)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.clearDeadline()
}

// Watch implements Watcher.
func (r *Requests) Watch(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(r.reading, func() { cancel(context.Cause(r.reading)) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// SetReadDeadline implements Transport.
func (r *Requests) SetReadDeadline(at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.reading.Err() != nil {
		return
	}
	r.clearDeadline()
	late := r.late // a waiting reader has this channel already
	var deadline *time.Timer
	deadline = time.AfterFunc(time.Until(at), func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.deadline == deadline {
			r.deadline = nil
			close(late)
		}
	})
	r.deadline = deadline
}

// Begin implements Transport. A request of another type is malformed as a message, too.
func (r *Requests) Begin(wire.Format) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.clearDeadline()
}

// clearDeadline removes the read deadline. The caller holds mu.
func (r *Requests) clearDeadline() {
	if r.deadline != nil {
		r.deadline.Stop()
		r.deadline = nil
	}
	select {
	case <-r.late:
		r.late = make(chan struct{})
	default:
	}
}

// Leave ends reading, and everything that waits for the client, for a reason.
func (r *Requests) Leave(reason error) {
	r.endReading(reason)
	r.stop()
}

// Close ends reading.
func (r *Requests) Close() { r.Leave(net.ErrClosed) }
