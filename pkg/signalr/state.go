package signalr

import (
	"context"
	"errors"
	"slices"
	"time"

	"parley.internal/pkg/signalr/internal/transport"
	"parley.internal/pkg/signalr/internal/wire"
)

const (
	closeTimeout = 5 * time.Second // for the client to answer a close message
	leftTimeout  = time.Second     // for a client to read the last bytes after leaving
)

// state is the state of a connection. A connection only advances:
//
//	handshaking → open     accept: the client's handshake is valid
//	handshaking → closing  close: the handshake is cancelled
//	open        → closing  close: by the client, the hub, a limit or an error
//	closing     → closed   teardown: the last goroutine has ended
//
// A failed handshake leads from handshaking to closed.
type state uint8

const (
	stateHandshaking state = iota
	stateOpen
	stateClosing
	stateClosed
)

// closeReason tells why and how a connection closes.
type closeReason struct {
	err            error  // for OnDisconnect; nil: the connection was closed on purpose
	text           string // for the client
	allowReconnect bool
	graceful       bool // invocations may finish within WriteTimeout
	unreachable    bool // the client cannot be told
}

// close starts to end the connection. The first reason counts. A later call without graceful still
// cancels the invocations at once.
func (c *Conn) close(r closeReason) {
	c.mu.Lock()
	handshaking := c.state == stateHandshaking
	if c.state < stateClosing {
		c.state, c.reason = stateClosing, &r
		c.keepAlive.stopChecks()
		if r.graceful {
			c.keepAlive.after(c.hub.options.WriteTimeout, c.cancel)
		}
	}
	if handshaking && c.transport != nil {
		c.transport.SetReadDeadline(time.Now())
	}
	c.mu.Unlock()
	if handshaking || !r.graceful {
		c.queue.Seal()
		c.cancel()
	}
	if r.unreachable {
		c.queue.Discard()
	}
	c.dispatcher.close()
}

// accept opens the connection after a valid handshake, unless close came first. After the handshake
// response the client misses no broadcast.
func (c *Conn) accept() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != stateHandshaking {
		return false
	}
	c.hub.connections.handshakeDone(c) // before the response: a client that has read it may open another connection
	c.queue.Admit(c.format, c.identity.User, c.format.Encode(wire.HandshakeResponse("")))
	c.transport.Begin(c.format)
	c.state = stateOpen
	return true
}

// teardown ends every goroutine of the connection and forgets the connection. The serving goroutine
// calls teardown last.
func (c *Conn) teardown() {
	if c.transport != nil {
		c.transport.Close() // interrupts a waiting write
	}
	c.queue.Close()
	c.dispatcher.worker.Wait()
	c.cancel()
	c.keepAlive.stop()
	c.mu.Lock()
	c.state = stateClosed
	c.mu.Unlock()
	c.hub.tokens.Release(c.tokenID)
	c.hub.connections.remove(c)
}

// serveAsync is serve on a goroutine of its own. The stack of the handshake is freed: an open
// connection continues on a fresh stack.
func (c *Conn) serveAsync() {
	if c.handshake() {
		go c.run() // the registry waits for teardown
	}
}

// serve runs the connection from the handshake to its end.
func (c *Conn) serve() {
	if c.handshake() {
		c.run()
	}
}

// run serves an open connection to the end. The stack stays small on purpose: decoding a message just
// fits into 4 KiB, and a grown stack does not shrink.
func (c *Conn) run() {
	defer c.teardown()
	c.endReading(c.receive())
}

// endReading closes the connection after the last message and waits for the dispatcher.
func (c *Conn) endReading(err error) {
	if c.keepAlive.peerClosed.Load() && errors.Is(err, ErrEnded) {
		err = c.discardInput() // the client's own reason follows the unread bytes
	}
	c.streams.close()
	c.close(closeReasonOf(err))
	_ = c.discardInput()
	c.flush(leftTimeout) // of the answer to the client's close frame
	c.transport.Close()
	<-c.dispatcher.done()
}

// discardInput reads until the client or a deadline ends reading, and returns the reason.
func (c *Conn) discardInput() error {
	scratch := make([]byte, 512)
	for {
		if _, err := c.transport.Read(scratch); err != nil && !errors.Is(err, transport.ErrMessageType) {
			return err
		}
	}
}

// flush waits until the client has accepted all queued bytes. It returns false after the timeout.
func (c *Conn) flush(within time.Duration) bool {
	return c.queue.Flush(time.After(within))
}

// closeReasonOf interprets the error at the end of reading.
func closeReasonOf(err error) closeReason {
	switch {
	case err == nil, errors.Is(err, ErrEnded):
		return closeReason{graceful: true}
	case transport.ClosedByClient(err):
		return closeReason{graceful: true, unreachable: true}
	case errors.Is(err, wire.ErrMalformed), errors.Is(err, wire.ErrTooLarge), errors.Is(err, transport.ErrMessageType):
		return closeReason{err: err, text: closedWithError(err), allowReconnect: true, graceful: true}
	default:
		return closeReason{err: err, graceful: true, unreachable: true}
	}
}

// disconnect tells the client of the end and, if OnConnect succeeded, runs OnDisconnect.
func (c *Conn) disconnect(connected bool) {
	c.close(closeReason{}) // cancels; the reason is known
	c.dispatcher.beside.Wait()
	c.queue.Remove()
	reason := c.reason
	if !reason.unreachable {
		last := wire.Message{Kind: wire.Close, Error: reason.text, AllowReconnect: reason.allowReconnect}
		m, _ := wire.NewMessage(last) // only values have encoding errors
		c.queue.Seal(c.format.LastFrames(m)...)
	}
	if connected {
		c.runOnDisconnect(reason.err)
	}
	c.endWriting(reason.unreachable)
}

func (c *Conn) runOnDisconnect(reason error) {
	if reason != nil {
		c.hub.options.Logger.Debug("connection broke", "connection", c.id, "user", c.identity.User, "error", reason)
	}
	err := protect(func() error {
		c.hub.onDisconnect(c, reason)
		return nil
	})
	if err != nil {
		c.logFailure("disconnect", err)
	}
}

// endWriting waits until the last bytes are sent and then for the client to close: closing at once can
// cost the client unread bytes.
func (c *Conn) endWriting(unreachable bool) {
	if p, ok := c.transport.(*transport.LongPolling); ok {
		p.ShortenGap()
	}
	timeout := c.hub.options.WriteTimeout
	if unreachable {
		timeout = leftTimeout
	}
	if !c.flush(timeout) || unreachable {
		c.transport.Close()
		return
	}
	c.transport.ExpectClose(closeTimeout)
}

// expectedErrors are no failures of the hub: they are logged as Debug.
var expectedErrors = []error{errArguments, errIDInUse, ErrUnauthorized, context.Canceled, ErrEnded, errClient}

// errClient replaces a ClientError in the log: the text comes from the client.
var errClient = errors.New("the client's own error")

// logFailure logs the error of a method without quoting the client.
func (c *Conn) logFailure(method string, err error) {
	log := c.hub.options.Logger
	if _, ok := errors.AsType[ClientError](err); ok {
		err = errClient
	}
	attrs := []any{"connection", c.id, "user", c.identity.User, "error", err, "method", method}
	_, told := errors.AsType[HubError](err)
	_, mismatch := errors.AsType[*typeMismatchError](err)
	if told || mismatch || slices.ContainsFunc(expectedErrors, func(e error) bool { return errors.Is(err, e) }) {
		log.Debug("hub method rejected", attrs...)
		return
	}
	log.Error("hub method failed", attrs...)
}
