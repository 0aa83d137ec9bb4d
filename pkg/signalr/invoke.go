package signalr

import (
	"context"
	"fmt"
	"runtime/debug"
)

// answer runs what an invocation asks for and sends its completion, behind
// whatever the method has sent to this connection. A stream's comes later.
func (c *Conn) answer(m *message) {
	c.after = nil
	completion, err := c.invoke(m)
	if err != nil {
		completion, c.after = failureOf(m.invocationID, refusal(m, err)), nil
	}
	if completion != nil {
		c.shut(m)
		if m.blocking() {
			c.push(completion)
		}
	}
	after := c.after
	c.after = nil // What they hold is not the connection's.
	for _, fn := range after {
		if err := c.hub.guard(func() error { return fn(c.ctx) }); err != nil {
			c.logFailure(m.target, err)
		}
	}
}

// AfterCompletion has fn run when the method that runs now has succeeded and its
// completion is queued, before the next method: what fn sends to this connection
// arrives right behind the result. An error of fn is only logged. Only the
// running method may call it, on its own goroutine.
func (c *Conn) AfterCompletion(fn func(context.Context) error) { c.after = append(c.after, fn) }

// invoke returns the completion, none if a stream goes on.
func (c *Conn) invoke(m *message) (completion *outbound, err error) {
	method, known := c.hub.method(m.target)
	switch {
	case !known:
		return nil, errUnknown
	case m.kind == kindStreamInvocation && method.stream == nil:
		return nil, errNotStreaming
	case m.kind == kindInvocation && method.stream != nil:
		return nil, errStreaming
	case len(m.streams) != method.shape.streams():
		return nil, HubError(fmt.Sprintf("Client sent %d stream(s), Hub method expects %d.", len(m.streams), method.shape.streams()))
	}
	in := &input{conn: c, arguments: m.arguments, streams: m.streams}
	err = c.hub.guard(func() error {
		if method.stream != nil {
			items, err := method.stream(m.ctx, in)
			if err == nil {
				c.streaming.Go(func() { c.stream(m, items) })
			}
			return err
		}
		result, err := method.call(m.ctx, in)
		if err != nil || !m.blocking() {
			completion = failureOf(m.invocationID, "") // is not sent
			return err
		}
		completion, err = resultOf(m.invocationID, result)
		return err
	})
	if err != nil {
		c.logFailure(m.target, err)
	}
	return completion, err
}

// guard makes a panic of the hub's user an error: it is one call's, not the
// process's.
func (h *Hub) guard(fn func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return fn()
}
