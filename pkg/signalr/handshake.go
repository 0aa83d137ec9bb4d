package signalr

import (
	"errors"
	"time"

	"parley.internal/pkg/signalr/internal/transport"
	"parley.internal/pkg/signalr/internal/wire"
)

const handshakeCancelled = "Handshake was canceled."

// handshake agrees with the client on a protocol. After a failure handshake tears the connection down
// and returns false.
func (c *Conn) handshake() bool {
	if !c.shakeHands() {
		c.teardown()
		return false
	}
	c.keepAlive.start()
	c.dispatcher.start()
	return true
}

func (c *Conn) shakeHands() bool {
	c.limitHandshake()
	text, err := c.readHandshake()
	if err != nil {
		c.hub.options.Logger.Debug("handshake failed", "connection", c.id, "error", err)
		return false
	}
	if text == "" {
		c.records.Prefixed = c.format.Binary()
		c.keepAlive.noteRead()
		if c.accept() {
			return true
		}
		text = handshakeCancelled
	}
	c.hub.options.Logger.Debug("handshake rejected", "connection", c.id, "reason", text)
	c.rejectHandshake(text)
	return false
}

// limitHandshake gives the client HandshakeTimeout, or no time at all if the connection is closing.
func (c *Conn) limitHandshake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	timeout := c.hub.options.HandshakeTimeout
	if c.state != stateHandshaking {
		timeout = 0
	}
	c.transport.SetReadDeadline(time.Now().Add(timeout))
}

// readHandshake reads the client's request and chooses the format. A non-empty text rejects the client;
// after an error the client has gone.
func (c *Conn) readHandshake() (text string, err error) {
	record, err := c.records.Next()
	switch {
	case transport.IsTimeout(err):
		return handshakeCancelled, nil
	case errors.Is(err, wire.ErrTooLarge):
		return wire.HandshakeFailed, nil
	case err != nil:
		return "", err
	}
	c.format, text = wire.ParseHandshake(record, c.via.formats())
	return text, nil
}

// rejectHandshake answers with an error and waits for the client to close.
func (c *Conn) rejectHandshake(text string) {
	c.queue.SendLast(c.format.LastFrames(wire.HandshakeResponse(text))...)
	if c.flush(c.hub.options.WriteTimeout) {
		c.transport.ExpectClose(closeTimeout)
		_ = c.discardInput()
	}
}
