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
// that the client said so, ErrEnded that the connection has ended anyway.
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
		if more, err := c.accept(m, len(record)); err != nil || !more {
			return err
		}
	}
}

// accept does what a message is for, and says whether the client has more. An
// error is that it cannot be read on.
func (c *Conn) accept(m *message, bytes int) (more bool, err error) {
	switch m.kind {
	case kindInvocation, kindStreamInvocation:
		return true, c.admitCall(m, bytes)
	case kindStreamItem:
		return true, c.take(m)
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
		return false, nil
	}
	return true, nil
}

// admitCall has an invocation run, if it may.
func (c *Conn) admitCall(m *message, bytes int) error {
	if c.pace != nil && !c.pace.Allow() {
		if err := c.hold(c.pace.Wait); err != nil {
			return err
		}
	}
	if err := c.awaitEnds(m); err != nil {
		return err
	}
	if err := c.open(m); err != nil {
		c.logFailure(m.target, err)
		if m.blocking() {
			c.push(failureOf(m.invocationID, refusal(m, err)))
		}
		return nil
	}
	return c.enqueue(m, bytes)
}

// reasonFor says what the end of reading means.
func reasonFor(err error) reason {
	switch {
	case err == nil, errors.Is(err, ErrEnded):
		return reason{}
	case errors.Is(err, errLeft),
		websocket.IsCloseError(err, websocket.CloseNormalClosure, websocket.CloseGoingAway, websocket.CloseNoStatusReceived):
		return reason{gone: true}
	case errors.Is(err, errMalformed), errors.Is(err, errTooLarge), errors.Is(err, errKind):
		return reason{err: err, text: closedWithError(err), allowReconnect: true}
	default:
		return reason{err: err, gone: true}
	}
}

// hold has the client wait to be read until fn returns. What the client sends
// meanwhile nobody hears, its pings neither. The error is why it went meanwhile, or
// ErrEnded.
func (c *Conn) hold(fn func(context.Context) error) error {
	ctx, release := c.carrier.heed(c.ctx)
	defer release()
	c.held.Store(true)
	c.lookWithin(heldLook)
	err := fn(ctx)
	c.hear()
	c.held.Store(false)
	switch {
	case err == nil:
		return nil
	case c.ctx.Err() != nil:
		return ErrEnded
	default:
		return context.Cause(ctx)
	}
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
