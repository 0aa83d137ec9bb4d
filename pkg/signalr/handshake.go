package signalr

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// handshakeAnswer is empty when the client is welcome.
type handshakeAnswer struct {
	Error string `json:"error,omitempty"`
}

// shakeHands agrees with the client on the protocol, and says whether they did.
// The connection is a member then.
func (c *Conn) shakeHands() bool {
	stop := context.AfterFunc(c.ctx, func() { c.socket.expectEnd(0) })
	defer stop()
	c.socket.expectEnd(c.hub.options.HandshakeTimeout)

	refusal, err := c.greet()
	deadline := time.Now().Add(c.hub.options.WriteTimeout)
	if err == nil {
		if refusal == "" {
			c.hub.members.add(c) // whoever reads our answer misses nothing from here on
		}
		err = c.socket.write(deadline, mustEncode(handshakeAnswer{refusal}))
	}
	switch {
	case err != nil:
		c.hub.members.remove(c)
		c.hub.options.Logger.Debug("handshake broke", "connection", c.id, "error", err)
		return false
	case refusal != "":
		c.hub.options.Logger.Debug("handshake refused", "connection", c.id, "reason", refusal)
		c.socket.sayGoodbye(deadline, linger)
		c.socket.discard()
		return false
	}
	c.socket.textOnly = true
	_ = c.socket.ws.SetReadDeadline(time.Time{})
	c.greeted.Store(true)
	c.hear()
	return true
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
	return checkHandshake(record), nil
}

const handshakeError = "An unexpected error occurred during connection handshake."

func checkHandshake(record []byte) (refusal string) {
	var in struct {
		Protocol *string `json:"protocol"`
		Version  *int    `json:"version"`
	}
	if err := json.Unmarshal(record, &in); err != nil || in.Protocol == nil || in.Version == nil {
		return handshakeError
	}
	switch {
	case *in.Protocol != "json":
		return fmt.Sprintf("The protocol '%s' is not supported.", *in.Protocol)
	case *in.Version < 1 || *in.Version > 2:
		return fmt.Sprintf("The server does not support version %d of the '%s' protocol.", *in.Version, *in.Protocol)
	}
	return ""
}
