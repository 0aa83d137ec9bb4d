package transport

import (
	"context"
	"net/http"
	"time"
)

// ServerSentEvents is the transport over server-sent events: a single response that lasts as long as
// the connection. A client leaves by ending its request; the protocol has no other way.
type ServerSentEvents struct {
	*Requests

	response *response
	request  context.Context //nolint:containedctx // of the client's request
}

// NewServerSentEvents prepares the response to a request. Each write has a timeout.
func NewServerSentEvents(w http.ResponseWriter, r *http.Request, timeout time.Duration) *ServerSentEvents {
	header := w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-cache, no-store")
	header.Set("X-Accel-Buffering", "no") // nginx would buffer events
	return &ServerSentEvents{Requests: newRequests(), response: newResponse(w, timeout), request: r.Context()}
}

// Serve begins the response, runs the connection, and ends the response.
func (e *ServerSentEvents) Serve(run func()) {
	defer e.response.finish()
	defer context.AfterFunc(e.request, e.requestEnded)()
	if _, err := e.response.write([]byte(":\r\n\r\n")); err != nil {
		e.CloseWith(err)
	}
	run()
}

// WriteWait implements Transport.
func (e *ServerSentEvents) WriteWait(batch [][]byte, wrote func(bytes int)) error {
	err := writePieces(batch, e.response.write, wrote)
	if err != nil || e.request.Err() != nil {
		e.requestEnded()
	}
	return err
}

// requestEnded ends reading. The server also ends the request of a write that timed out, and does so
// before that write returns.
func (e *ServerSentEvents) requestEnded() {
	switch writing, err := e.response.state(); {
	case writing: // WriteWait calls requestEnded after the write
	case IsTimeout(err):
		e.CloseWith(err)
	default:
		e.CloseWith(ErrLeft)
	}
}

// ExpectClose implements Transport. A response that ends arrives completely, so reading ends at once.
func (e *ServerSentEvents) ExpectClose(time.Duration) { e.stopReading(ErrLeft) }

// Close implements Transport.
func (e *ServerSentEvents) Close() {
	e.Requests.Close()
	e.response.abort()
}
