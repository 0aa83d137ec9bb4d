package signalr

import (
	"context"
	"net/http"
	"time"
)

// events carries records to the client as server-sent events: one answer that
// does not end before the connection. A client that goes ends its request; it
// has no other way to say so.
type events struct {
	*inbox

	reply  *reply
	client context.Context //nolint:containedctx // it is the client's request
}

// stream is the life of a connection over server-sent events.
func (h *Hub) stream(c *Conn, w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-cache, no-store")
	header.Set("X-Accel-Buffering", "no") // nginx would keep events to itself
	e := &events{inbox: newInbox(), reply: newReply(w, h.options.WriteTimeout), client: r.Context()}
	c.carry(e)
	defer e.reply.finish()
	defer context.AfterFunc(r.Context(), e.requestEnded)()
	if _, err := e.reply.write([]byte(":\r\n\r\n")); err != nil {
		e.leave(err)
	}
	if c.welcome() {
		c.run()
	}
}

func (e *events) write(batch [][]byte, took func(bytes int)) error {
	err := inPieces(batch, e.reply.write, took)
	if err != nil || e.client.Err() != nil {
		e.requestEnded()
	}
	return err
}

// requestEnded is when the request is over. The server ends it also for a write that
// took too long, and says so before that write returns.
func (e *events) requestEnded() {
	switch writing, err := e.reply.state(); {
	case writing: // and looks itself
	case isTimeout(err):
		e.leave(err)
	default:
		e.leave(errLeft)
	}
}

// expectEnd has nothing to wait for: an answer that ends arrives whole.
func (e *events) expectEnd(time.Duration) { e.end(errLeft) }

func (e *events) hangUp() {
	e.inbox.hangUp()
	e.reply.abort()
}
