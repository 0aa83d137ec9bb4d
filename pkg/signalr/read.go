package signalr

import (
	"errors"
	"time"

	"github.com/gorilla/websocket"
)

var (
	errSlow   = errors.New("client reads too slowly")
	errSilent = errors.New("client is silent")
)

// read reads until the client has gone.
func (c *Conn) read() {
	defer c.socket.hangUp() // a write that waits for this client waits in vain
	c.finish(endingFor(c.receive()))
	c.socket.discard()
}

// receive hands the client's invocations over until there are no more. Nil means
// that the client said so, or that the connection has ended anyway.
func (c *Conn) receive() error {
	for {
		record, err := c.records.next()
		if err != nil {
			return err
		}
		c.hear()
		m, err := parseJSON(record)
		if err != nil {
			return err
		}
		switch m.kind {
		case kindInvocation, kindStreamInvocation:
			select {
			case c.calls <- m:
			case <-c.ctx.Done():
				return nil
			}
		case kindPing:
			if !c.armed.Swap(true) {
				c.queue.nudge()
			}
		case kindClose:
			return nil
		case kindStreamItem, kindCompletion, kindCancelInvocation, kindAck, kindSequence:
			// About streams and calls that this server has not begun.
		}
	}
}

// endingFor says what the end of reading means.
func endingFor(err error) ending {
	switch {
	case err == nil:
		return ending{}
	case websocket.IsCloseError(err, websocket.CloseNormalClosure, websocket.CloseGoingAway, websocket.CloseNoStatusReceived):
		return ending{gone: true}
	case errors.Is(err, errMalformed), errors.Is(err, errTooLarge), errors.Is(err, errBinary):
		return ending{err: err, text: closedWithError(err), allowReconnect: true}
	default:
		return ending{err: err, gone: true}
	}
}

// hear notes that the client is alive.
func (c *Conn) hear() { c.heard.Store(int64(time.Since(c.started))) }

// silence is how long the client has not been heard.
func (c *Conn) silence(now time.Time) time.Duration {
	return now.Sub(c.started) - time.Duration(c.heard.Load())
}
