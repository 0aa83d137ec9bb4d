package signalr

import (
	"context"
	"errors"
	"time"

	"github.com/gorilla/websocket"
)

var (
	errSlow   = errors.New("client reads too slowly")
	errSilent = errors.New("client is silent")
)

// receive hands the client's invocations over until there are no more. Nil means
// that the client said so, or that the connection has ended anyway.
func (c *Conn) receive() error {
	for {
		record, err := c.records.next()
		if err != nil {
			return err
		}
		c.hear()
		m, err := c.format.parse(record)
		if err != nil {
			return err
		}
		if !c.accept(m, len(record)) {
			return nil
		}
	}
}

// accept does what a message is for, and says whether the client has more.
func (c *Conn) accept(m *message, bytes int) (more bool) {
	switch m.kind {
	case kindInvocation, kindStreamInvocation:
		if c.pace != nil && !c.pace.Allow() && !c.hold(c.pace.Wait) {
			return false // It has ended.
		}
		if err := c.open(m); err != nil {
			if m.blocking() {
				c.push(failureOf(m.invocationID, refusal(m, err)))
			}
			return true
		}
		return c.enqueue(m, bytes)
	case kindStreamItem:
		c.take(m)
	case kindCompletion:
		c.complete(m)
	case kindCancelInvocation:
		c.cancelStream(m.invocationID)
	case kindPing:
		if !c.armed.Swap(true) {
			c.look()
		}
	case kindAck, kindSequence: // This server has not offered to resume.
	case kindClose:
		return false
	}
	return true
}

// endingFor says what the end of reading means.
func endingFor(err error) ending {
	switch {
	case err == nil:
		return ending{}
	case errors.Is(err, errLeft),
		websocket.IsCloseError(err, websocket.CloseNormalClosure, websocket.CloseGoingAway, websocket.CloseNoStatusReceived):
		return ending{gone: true}
	case errors.Is(err, errMalformed), errors.Is(err, errTooLarge), errors.Is(err, errKind):
		return ending{err: err, text: closedWithError(err), allowReconnect: true}
	default:
		return ending{err: err, gone: true}
	}
}

// hold has the client wait to be read, and says whether fn worked. What the client
// sends meanwhile nobody hears, its pings neither.
func (c *Conn) hold(fn func(context.Context) error) bool {
	c.held.Store(true)
	err := fn(c.ctx)
	c.hear()
	c.held.Store(false)
	return err == nil
}

// hear notes that the client is alive.
func (c *Conn) hear() { c.heard.Store(int64(time.Since(c.started))) }

// silence is how long the client has not been heard.
func (c *Conn) silence(now time.Time) time.Duration {
	return now.Sub(c.started) - time.Duration(c.heard.Load())
}

// pongs is how many bytes may wait for a client that is still sent pongs.
const pongs = 4 << 10

// pong answers a ping of the WebSocket's.
func (c *Conn) pong(data string) error {
	c.hub.fanout.offer(c, frame(websocket.PongMessage, []byte(data)), pongs)
	return nil
}

// goodbye answers the client's closing handshake.
func (c *Conn) goodbye(code int, _ string) error {
	var text []byte
	if code != websocket.CloseNoStatusReceived {
		text = websocket.FormatCloseMessage(code, "")
	}
	c.hub.fanout.answer(c, frame(websocket.CloseMessage, text))
	return nil
}
