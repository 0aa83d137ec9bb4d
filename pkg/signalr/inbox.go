package signalr

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
)

var (
	// errLeft ends reading when the client has said that it goes.
	errLeft = errors.New("client has left")
	// errGone is for what is sent to a connection that has ended.
	errGone = errors.New("connection has ended")
	// errCrowd is for one request more than may wait.
	errCrowd = errors.New("too many requests of this connection wait")
)

// mostRequests is how many requests of one client may wait for their turn.
// Today's client has one under way, the older ones one for each call.
const mostRequests = 128

// inbox is what a client sends in requests of their own. They are read one after
// the other and not before there is room: a request waits, and nothing is kept.
type inbox struct {
	line   chan struct{} // has room for those that wait, too; with more, one more is refused
	turn   chan struct{} // has room for the request that is read
	pieces chan []byte   // of it
	read   chan struct{} // after each piece
	rest   []byte        // what the reader has of a piece

	life context.Context //nolint:containedctx // of reading; its cause says why it has ended
	die  context.CancelCauseFunc
	over context.Context //nolint:containedctx // done by leave
	quit context.CancelFunc

	mu       sync.Mutex
	late     chan struct{} // closed at the deadline of reading
	deadline *time.Timer
}

func newInbox() *inbox {
	in := &inbox{
		line: make(chan struct{}, mostRequests), turn: make(chan struct{}, 1), pieces: make(chan []byte), read: make(chan struct{}),
		late: make(chan struct{}),
	}
	in.life, in.die = context.WithCancelCause(context.Background())
	in.over, in.quit = context.WithCancel(context.Background())
	return in
}

// wait returns when something has come.
func (in *inbox) wait() error {
	late, why := in.state()
	if why != nil || len(in.rest) > 0 {
		return why
	}
	select {
	case in.rest = <-in.pieces:
		return nil
	case <-late:
		return os.ErrDeadlineExceeded
	case <-in.life.Done():
		return context.Cause(in.life)
	}
}

// Read implements carrier.
func (in *inbox) Read(p []byte) (int, error) {
	if err := in.wait(); err != nil {
		return 0, err
	}
	n := copy(p, in.rest)
	if in.rest = in.rest[n:]; len(in.rest) == 0 {
		select {
		case in.read <- struct{}{}:
		case <-in.life.Done():
		}
	}
	return n, nil
}

func (in *inbox) state() (late <-chan struct{}, why error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.late, context.Cause(in.life)
}

// Write hands a piece over, and returns when it is read.
func (in *inbox) Write(piece []byte) (int, error) {
	select {
	case in.pieces <- piece:
	case <-in.life.Done():
		return 0, errGone
	}
	select {
	case <-in.read:
		return len(piece), nil
	case <-in.life.Done():
		return 0, errGone
	}
}

// take reads a request to its end. The error is errGone or errCrowd, or about the
// request.
func (in *inbox) take(r *http.Request, w *http.ResponseController, patience time.Duration) error {
	select {
	case in.line <- struct{}{}:
		defer func() { <-in.line }()
	default:
		return errCrowd
	}
	select {
	case in.turn <- struct{}{}:
		defer func() { <-in.turn }()
	case <-in.over.Done():
		return errGone
	case <-r.Context().Done():
		return context.Cause(r.Context())
	}
	// Some servers have no deadlines, and some have one for the whole request,
	// which would count the time that it waits for room.
	body := &dribble{from: r.Body, before: func() { _ = w.SetReadDeadline(time.Now().Add(patience)) }}
	n, err := io.CopyBuffer(in, body, make([]byte, keptBuffer))
	_ = w.SetWriteDeadline(time.Now().Add(patience))
	switch {
	case err == nil:
		return nil
	case body.err == nil:
		return errGone
	}
	err = fmt.Errorf("read a message: %w", err)
	if n > 0 {
		in.end(err) // where the next message begins, nobody knows
	}
	return err
}

// dribble is a body that comes little by little.
type dribble struct {
	from   io.Reader
	before func()
	err    error // of from
}

func (d *dribble) Read(p []byte) (int, error) {
	d.before()
	n, err := d.from.Read(p)
	if !errors.Is(err, io.EOF) {
		d.err = err
	}
	return n, err //nolint:wrapcheck // io.EOF has to be itself
}

// end ends reading, unless it has ended.
func (in *inbox) end(why error) {
	in.die(why)
	in.mu.Lock()
	defer in.mu.Unlock()
	in.clearDeadline()
}

// heed implements carrier.
func (in *inbox) heed(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(in.life, func() { cancel(context.Cause(in.life)) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// readBy implements carrier.
func (in *inbox) readBy(at time.Time) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.life.Err() != nil {
		return
	}
	in.clearDeadline()
	late := in.late // Whoever reads already waits for this one.
	var deadline *time.Timer
	deadline = time.AfterFunc(time.Until(at), func() {
		in.mu.Lock()
		defer in.mu.Unlock()
		if in.deadline == deadline {
			in.deadline = nil
			close(late)
		}
	})
	in.deadline = deadline
}

// begin implements carrier. What is not the protocol's is no message either.
func (in *inbox) begin(format) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.clearDeadline()
}

// clearDeadline is for callers that hold mu.
func (in *inbox) clearDeadline() {
	if in.deadline != nil {
		in.deadline.Stop()
		in.deadline = nil
	}
	select {
	case <-in.late:
		in.late = make(chan struct{})
	default:
	}
}

// leave ends reading, and whatever waits for the client.
func (in *inbox) leave(why error) {
	in.end(why)
	in.quit()
}

// hangUp implements carrier.
func (in *inbox) hangUp() { in.leave(net.ErrClosed) }
