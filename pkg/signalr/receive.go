package signalr

import (
	"context"

	"parley.internal/pkg/signalr/internal/wire"
)

// receive reads and handles the client's messages until there are no more. The error is nil after
// a Close message of the client, and ErrEnded once the connection has ended.
func (c *Conn) receive() error {
	for {
		record, err := c.records.Next()
		if err != nil {
			return err
		}
		c.keepAlive.noteRead()
		m, err := c.format.Parse(record)
		if err != nil {
			return err
		}
		if m.Kind == wire.Close {
			return nil
		}
		if err := c.handle(m, len(record)); err != nil {
			return err
		}
	}
}

// handle handles a message. An error ends reading.
func (c *Conn) handle(m *wire.Message, bytes int) error {
	switch m.Kind {
	case wire.Invocation, wire.StreamInvocation:
		return c.admitInvocation(&invocation{conn: c, message: m, bytes: bytes})
	case wire.StreamItem:
		return c.streams.receiveItem(m)
	case wire.Completion:
		c.streams.complete(m)
	case wire.CancelInvocation:
		c.streams.cancel(m.ID)
	case wire.Ping:
		c.keepAlive.expectPings()
	default: // Ack and Sequence belong to stateful reconnect, a feature that this server does not offer
	}
	return nil
}

// admitInvocation waits for the rate limit and for room, and schedules an invocation.
func (c *Conn) admitInvocation(i *invocation) error {
	if c.pace != nil && !c.pace.Allow() {
		if err := c.pauseReading(c.pace.Wait); err != nil {
			return err
		}
	}
	if err := c.streams.waitForSlots(i); err != nil {
		return err
	}
	if err := c.streams.open(i); err != nil {
		c.logFailure(i.message.Target, err)
		if i.message.WantsCompletion() {
			c.send(wire.NewCompletion(i.message.ID, errorText(i.message, err)))
		}
		return nil
	}
	return c.dispatcher.schedule(i)
}

// pauseReading runs fn without reading from the client: backpressure. Keep-alive timeouts are suspended
// meanwhile, because pings stay unread. The error is the reason why the client left meanwhile, or
// ErrEnded.
func (c *Conn) pauseReading(fn func(context.Context) error) error {
	ctx := c.ctx
	if c.requests != nil {
		watched, release := c.requests.Watch(ctx)
		defer release()
		ctx = watched
	}
	c.keepAlive.pause()
	err := fn(ctx)
	c.keepAlive.resume()
	switch {
	case err == nil:
		return nil
	case c.ctx.Err() != nil:
		return ErrEnded
	default:
		return context.Cause(ctx)
	}
}

// maxWaitingForPong is the number of waiting bytes up to which a client is sent pongs.
const maxWaitingForPong = 4 << 10
