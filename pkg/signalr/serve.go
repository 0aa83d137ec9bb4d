package signalr

import (
	"context"
	"errors"
	"slices"
	"time"
)

// begin is the life of a connection until the handshake. What it needs of the
// stack is gone then: a connection that lasts has run's.
func (c *Conn) begin() {
	if c.welcome() {
		go c.run() // owned by the door, as begin is
	}
}

// welcome shakes hands, and says whether the connection runs from now on.
func (c *Conn) welcome() bool {
	if !c.shakeHands() {
		c.leave()
		return false
	}
	c.employ()
	return true
}

// run is the life of a connection from the handshake to the last byte. It keeps
// little on the stack: decoding a message just fits into 4 KiB, and a stack that
// had to grow stays so.
func (c *Conn) run() {
	defer c.leave()
	c.unwind(c.receive())
}

// unwind is after the last message.
func (c *Conn) unwind(err error) {
	if c.left.Load() && errors.Is(err, ErrEnded) {
		err = c.discard() // What ended it is behind what was left unread.
	}
	c.cutOff()
	c.finish(reasonFor(err))
	_ = c.discard()
	c.flush(goneLinger) // of what answers the client's goodbye
	c.carrier.hangUp()
	<-c.gone()
}

// flush waits until the client has taken what waits, and says whether it has.
func (c *Conn) flush(within time.Duration) bool {
	timeout := time.NewTimer(within)
	defer timeout.Stop()
	return c.hub.fanout.flush(c, timeout.C)
}

// leave returns when nobody sees to the connection any more.
func (c *Conn) leave() {
	c.carrier.hangUp()         // a write that waits for this client waits in vain
	c.hub.fanout.flush(c, nil) // nobody writes to it any more
	c.helpers.Wait()
	c.stop()
	c.hub.tickets.release(c.ticket)
	c.hub.door.leave(c)
}

// stop frees what the context and the timers hold.
func (c *Conn) stop() {
	c.cancel()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, t := range c.timers {
		t.Stop()
	}
	if c.clock != nil {
		c.clock.Stop()
	}
}

// connect runs the hub's first code for this connection.
func (c *Conn) connect() {
	c.hub.guard(func() error { return c.hub.onConnect(c.ctx, c) }, func(err error) {
		if err != nil {
			c.refused = true
			c.logFailure("connect", err)
			c.end(reason{err: err, text: closedWithError(err)})
		}
		c.admit()
	})
}

// depart runs the hub's last code for this connection, while the client is told
// why it is left.
func (c *Conn) depart() {
	c.end(reason{}) // has its reason already; what is left is to do it
	c.streaming.Wait()
	c.hub.fanout.remove(c)
	c.farewell()
	if c.refused {
		c.part()
		return
	}
	c.disconnect()
}

// part is all that is left to do when the client has been told.
func (c *Conn) part() {
	if p, polls := c.carrier.(*polling); polls {
		p.hurry()
	}
	patience := c.hub.options.WriteTimeout
	if c.reason.gone {
		patience = goneLinger
	}
	if !c.flush(patience) || c.reason.gone {
		c.carrier.hangUp()
		return
	}
	// Closing at once can cost the client what it has not read.
	c.carrier.expectEnd(linger)
}

func (c *Conn) disconnect() {
	if c.reason.err != nil {
		c.hub.options.Logger.Debug("connection broke", "connection", c.id, "user", c.identity.User, "error", c.reason.err)
	}
	c.hub.guard(func() error {
		c.hub.onDisconnect(c, c.reason.err)
		return nil
	}, func(err error) {
		if err != nil {
			c.logFailure("disconnect", err)
		}
		c.part()
	})
}

// farewell tells the client why it is left, behind what still waits.
func (c *Conn) farewell() {
	e := c.reason
	if e.gone {
		return
	}
	last := c.format.encode(&outbound{kind: kindClose, failure: e.text, reconnect: e.allowReconnect})
	c.hub.fanout.last(c, c.format.end(last)...)
}

// refusals are no failures of the hub's.
var refusals = []error{errArguments, errIDInUse, ErrUnauthorized, context.Canceled, ErrEnded, errClients}

// errClients is logged instead of a ClientError, whose text is what the client said.
var errClients = errors.New("the client's own error")

func (c *Conn) logFailure(what string, err error) {
	log := c.hub.options.Logger
	if _, own := errors.AsType[ClientError](err); own {
		err = errClients
	}
	attrs := []any{"connection", c.id, "user", c.identity.User, "error", err}
	_, told := errors.AsType[HubError](err)
	_, misfit := errors.AsType[*misfitError](err)
	expected := told || misfit || slices.ContainsFunc(refusals, func(refusal error) bool { return errors.Is(err, refusal) })
	if expected {
		log.Debug("hub method refused", append(attrs, "method", what)...)
		return
	}
	log.Error("hub method failed", append(attrs, "method", what)...)
}
