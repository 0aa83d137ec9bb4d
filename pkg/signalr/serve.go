package signalr

import (
	"context"
	"errors"
	"sync"
)

// run is the life of a connection from the upgrade to the last byte.
func (c *Conn) run() {
	defer c.hub.door.leave(c)
	defer c.hub.tickets.release(c.ticket)
	defer c.socket.hangUp()
	defer c.stop()

	if !c.shakeHands() {
		return
	}
	var others sync.WaitGroup
	others.Go(c.read)
	others.Go(c.write)
	c.serve()
	others.Wait()
}

// stop frees what the context and the grace timer hold.
func (c *Conn) stop() {
	c.cancel()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.grace != nil {
		c.grace.Stop()
	}
}

// serve runs the hub's code for this connection, one function at a time.
func (c *Conn) serve() {
	refused := c.hub.guard(func() error { return c.hub.onConnect(c.ctx, c) })
	c.listenAgain()
	if refused != nil {
		c.logFailure("connect", refused)
		c.end(ending{err: refused, text: closedWithError(refused)})
	}

	c.work()

	c.end(ending{}) // has its reason already; what is left is to do it
	c.hub.members.remove(c)
	if refused != nil {
		return
	}
	if c.ending.err != nil {
		c.hub.options.Logger.Debug("connection broke", "connection", c.id, "user", c.identity.User, "error", c.ending.err)
	}
	err := c.hub.guard(func() error {
		c.hub.onDisconnect(c, c.ending.err)
		return nil
	})
	if err != nil {
		c.logFailure("disconnect", err)
	}
}

// work runs methods until the connection is closing.
func (c *Conn) work() {
	for {
		select {
		case <-c.closing:
			return
		default:
		}
		select {
		case <-c.closing:
			return
		case m := <-c.calls:
			c.busy.Store(true)
			c.answer(m)
			c.listenAgain()
		}
	}
}

// listenAgain lets the client's silence count from now.
func (c *Conn) listenAgain() {
	c.hear()
	c.busy.Store(false)
}

func (c *Conn) logFailure(what string, err error) {
	log := c.hub.options.Logger
	attrs := []any{"connection", c.id, "user", c.identity.User, "error", err}
	_, told := errors.AsType[HubError](err)
	expected := told || errors.Is(err, errArguments) || errors.Is(err, ErrUnauthorized)
	if expected || errors.Is(err, context.Canceled) {
		log.Debug("hub method refused", append(attrs, "method", what)...)
		return
	}
	log.Error("hub method failed", append(attrs, "method", what)...)
}
