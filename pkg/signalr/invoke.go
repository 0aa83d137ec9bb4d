package signalr

import (
	"context"
	"fmt"
	"runtime/debug"
)

// answer runs what an invocation asks for and queues its completion, behind
// whatever the method has sent to this connection.
func (c *Conn) answer(m *message) {
	c.after = nil
	record, refusal := c.invoke(m)
	if refusal != "" {
		record, c.after = encodeFailure(m.invocationID, refusal), nil
	}
	if m.blocking() {
		c.push(record)
	}
	for _, fn := range c.after {
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

// invoke returns the record of a result, or why there is none.
func (c *Conn) invoke(m *message) (record []byte, refusal string) {
	method, known := c.hub.method(m.target)
	switch {
	case !known:
		return nil, unknownMethod(m.target)
	case m.kind == kindStreamInvocation:
		return nil, notStreaming(m.target)
	case m.streams > 0:
		return nil, unexpectedStreams(m.target, m.streams)
	}
	err := c.hub.guard(func() error {
		result, err := method.call(c.ctx, c, m.arguments)
		if err != nil || !m.blocking() {
			return err
		}
		record, err = encodeResult(m.invocationID, result)
		return err
	})
	if err != nil {
		c.logFailure(m.target, err)
		return nil, invocationFailed(m.target, err)
	}
	return record, ""
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
