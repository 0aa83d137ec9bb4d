package signalr

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// handshakeAnswer is an empty object when the client is welcome.
func handshakeAnswer(refusal string) []byte {
	if refusal == "" {
		return []byte{'{', '}', separator}
	}
	answer := append([]byte(`{"error":`), textOf(refusal)...)
	return append(answer, '}', separator)
}

// shakeHands agrees with the client on the protocol, and says whether they did.
// The connection is a member then.
func (c *Conn) shakeHands() bool {
	c.awaitHandshake()
	refusal, err := c.greet()
	if err != nil {
		c.hub.options.Logger.Debug("handshake broke", "connection", c.id, "error", err)
		return false
	}
	answer := c.format.frame(handshakeAnswer(refusal))
	if refusal != "" {
		c.hub.options.Logger.Debug("handshake refused", "connection", c.id, "reason", refusal)
		c.dismiss(answer)
		return false
	}
	c.records.prefixed = c.format.binary()
	c.hear()
	c.sent.Store(int64(time.Since(c.started)))
	c.hub.fanout.add(c, answer) // whoever reads our answer misses nothing from here on
	c.greetedNow()              // and nobody ends what is not a member yet
	c.startClock()
	return true
}

// awaitHandshake lets the client take HandshakeTimeout, unless the connection
// ends before.
func (c *Conn) awaitHandshake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.opened = true
	patience := c.hub.options.HandshakeTimeout
	if c.ctx.Err() != nil {
		patience = 0
	}
	c.carrier.readBy(time.Now().Add(patience))
}

// greetedNow lets the client be silent.
func (c *Conn) greetedNow() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.carrier.begin(c.format)
	c.greeted.Store(true)
	c.hub.door.greeted(c)
}

// dismiss leaves a client that is not welcome, with an answer.
func (c *Conn) dismiss(answer []byte) {
	c.hub.fanout.last(c, c.format.end(answer)...)
	if c.flush(c.hub.options.WriteTimeout) {
		c.carrier.expectEnd(linger)
		_ = c.discard()
	}
}

// greet reads the client's request and says why it is refused, if it is. The
// error is about a client that is gone.
func (c *Conn) greet() (refusal string, err error) {
	record, err := c.records.next()
	switch {
	case isTimeout(err):
		return "Handshake was canceled.", nil
	case errors.Is(err, errTooLarge):
		return handshakeError, nil
	case err != nil:
		return "", err
	}
	c.format, refusal = checkHandshake(record, c.via)
	return refusal, nil
}

const handshakeError = "An unexpected error occurred during connection handshake."

// checkHandshake says what the client will read. One that is refused is told so in
// JSON.
func checkHandshake(record []byte, via Transport) (f format, refusal string) {
	var in struct {
		Protocol *string `json:"protocol"`
		Version  *int    `json:"version"`
	}
	formats := via.formats()
	if err := json.Unmarshal(record, &in); err != nil || in.Protocol == nil || in.Version == nil {
		return formats[jsonProtocol], handshakeError
	}
	f, known := formats[*in.Protocol]
	switch {
	case !known && *in.Protocol == msgpackProtocol:
		return formats[jsonProtocol], "Cannot use the 'messagepack' protocol on the current transport. " +
			"The transport does not support 'Binary' transfer format."
	case !known:
		return formats[jsonProtocol], fmt.Sprintf("The protocol '%s' is not supported.", *in.Protocol)
	case *in.Version < 1 || *in.Version > 2:
		return f, fmt.Sprintf("The server does not support version %d of the '%s' protocol.", *in.Version, *in.Protocol)
	}
	return f, ""
}
