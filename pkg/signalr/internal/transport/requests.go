package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"parley.internal/pkg/signalr/internal/wire"
)

const (
	// maxRequests is the number of waiting requests of a client. The current client sends a single
	// request at a time, older clients a request per call.
	maxRequests = 128
	bodyBuffer  = 4 << 10 // bytes
)

// Requests is the byte stream of a client with each message in a request of its own. Bodies are read in
// sequence and on demand: a request waits, and nothing is buffered: backpressure.
type Requests struct {
	waiting  chan struct{} // semaphore of waiting requests; a request beyond the capacity is rejected
	turn     chan struct{} // semaphore of the request being read
	pieces   chan []byte   // of the body being read
	consumed chan struct{} // one element after each piece
	rest     []byte        // unread part of a piece

	reading     context.Context //nolint:containedctx // ends with reading; the cause is the reason
	stopReading context.CancelCauseFunc
	open        context.Context //nolint:containedctx // ends with the connection
	stop        context.CancelFunc
	deadline    *time.Timer // of reading; stopped: none
}

func newRequests() *Requests {
	r := &Requests{
		waiting: make(chan struct{}, maxRequests), turn: make(chan struct{}, 1),
		pieces: make(chan []byte), consumed: make(chan struct{}), deadline: time.NewTimer(time.Hour),
	}
	r.deadline.Stop()
	r.reading, r.stopReading = context.WithCancelCause(context.Background())
	r.open, r.stop = context.WithCancel(context.Background())
	return r
}

// Wait waits for bytes.
func (r *Requests) Wait() error {
	if err := context.Cause(r.reading); err != nil || len(r.rest) > 0 {
		return err
	}
	select {
	case r.rest = <-r.pieces:
		return nil
	case <-r.deadline.C:
		r.deadline.Reset(0) // later reads fail as well
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

// Receive reads the body of a request to the end. Each read from the network has a deadline. The
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
	// A server without deadlines needs this deadline, and a deadline of the server for the whole
	// request would include the waiting time.
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
				r.stopReading(err) // the start of the next message is unknown
			}
			return err
		}
	}
}

// Watch derives a context that also ends when the client leaves, with the reason as its cause. Unread bytes
// stay unread from then on.
func (r *Requests) Watch(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(r.reading, func() { cancel(context.Cause(r.reading)) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// SetReadDeadline implements Transport.
func (r *Requests) SetReadDeadline(at time.Time) { r.deadline.Reset(time.Until(at)) }

// Begin implements Transport. A request of another type is malformed as a message, too.
func (r *Requests) Begin(wire.Format) { r.deadline.Stop() }

// CloseWith ends reading, and everything that waits for the client, for a reason.
func (r *Requests) CloseWith(reason error) {
	r.stopReading(reason)
	r.stop()
}

// Close ends reading.
func (r *Requests) Close() { r.CloseWith(net.ErrClosed) }
