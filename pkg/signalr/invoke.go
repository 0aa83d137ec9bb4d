package signalr

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
)

// answer runs what an invocation asks for and sends its completion, behind
// whatever the method has sent to this connection. A stream's comes later.
func (c *Conn) answer(m *message) {
	method, err := c.methodFor(m)
	if err != nil {
		c.conclude(m, nil, err)
		return
	}
	var completion *outbound
	c.hub.guard(func() (err error) {
		completion, err = c.invoke(m, method)
		return err
	}, func(err error) {
		if err != nil {
			c.logFailure(m.target, err)
		}
		c.conclude(m, completion, err)
	})
}

// methodFor is what an invocation asks for, if it may have it.
func (c *Conn) methodFor(m *message) (Method, error) {
	method, known := c.hub.method(m.target)
	switch {
	case !known:
		return method, errUnknown
	case m.kind == kindStreamInvocation && method.stream == nil:
		return method, errNotStreaming
	case m.kind == kindInvocation && method.stream != nil:
		return method, errStreaming
	case len(m.streams) != method.shape.streams():
		return method, HubError(fmt.Sprintf("Client sent %d stream(s), Hub method expects %d.", len(m.streams), method.shape.streams()))
	default:
		return method, nil
	}
}

// invoke returns the completion, none if a stream goes on.
func (c *Conn) invoke(m *message, method Method) (completion *outbound, err error) {
	in := &input{conn: c, arguments: m.arguments, streams: m.streams}
	if method.stream != nil {
		items, err := method.stream(m.ctx, in)
		if err == nil {
			c.streaming.Go(func() { c.stream(m, items) })
		}
		return nil, err
	}
	result, err := method.call(m.ctx, in)
	if err != nil || !m.blocking() {
		return failureOf(m.invocationID, ""), err // is not sent
	}
	return resultOf(m.invocationID, result)
}

// conclude is what follows a method. Without a completion, its stream goes on.
func (c *Conn) conclude(m *message, completion *outbound, err error) {
	after := m.after
	m.after = nil // What they hold is not the connection's.
	if err != nil {
		completion, after = failureOf(m.invocationID, refusal(m, err)), nil
	}
	if completion != nil {
		c.shut(m)
		if m.blocking() {
			c.push(completion)
		}
	}
	c.follow(m, after)
}

// afterKey is where a method's context has its invocation.
type afterKey struct{}

// AfterCompletion has fn run when the method that ctx belongs to has succeeded and
// its completion is queued, before the next method that takes a turn: what fn
// sends to this connection arrives right behind the result. Where the result is a
// stream, fn runs beside it, from when the method has returned. An error of fn is
// only logged. Only the method's own goroutine may call it; with a context that is
// of no method it panics.
func AfterCompletion(ctx context.Context, fn func(context.Context) error) {
	m, ok := ctx.Value(afterKey{}).(*message)
	if !ok {
		panic("signalr: AfterCompletion outside of a method")
	}
	m.after = append(m.after, fn)
}

// follow runs what a method has left to do.
func (c *Conn) follow(m *message, after []func(context.Context) error) {
	if len(after) == 0 {
		return
	}
	c.hub.guard(func() error { return after[0](c.ctx) }, func(err error) {
		if err != nil {
			c.logFailure(m.target, err)
		}
		c.follow(m, after[1:])
	})
}

var errExited = errors.New("runtime.Goexit")

// guard runs what is the hub's user's. A panic is one call's error, not the
// process's, and the end of the goroutine is as well: then runs whatever happens,
// but what follows guard may not.
func (h *Hub) guard(fn func() error, then func(error)) {
	err := errExited
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
		then(err)
	}()
	err = fn()
}
