package signalr

import (
	"errors"

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
	c.queue.Seal(c.format.LastFrames(wire.HandshakeResponse(text))...)
	if c.flush(c.hub.options.WriteTimeout) {
		c.transport.ExpectClose(closeTimeout)
		_ = c.discardInput() // until the client has closed
	}
	return false
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
	c.format, text = wire.ParseHandshake(record, formats[c.via])
	return text, nil
}
