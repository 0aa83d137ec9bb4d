package signalr

import (
	"fmt"
	"runtime/debug"
)

// answer runs what an invocation asks for and queues its completion, behind
// whatever the method has sent to this connection.
func (c *Conn) answer(m *message) {
	record, refusal := c.invoke(m)
	if !m.blocking() {
		return
	}
	if refusal != "" {
		record = encodeFailure(m.invocationID, refusal)
	}
	c.push(record)
}

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
