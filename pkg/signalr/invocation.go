package signalr

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime/debug"

	"parley.internal/pkg/signalr/internal/wire"
)

// invocation is a client's call of a method.
type invocation struct {
	conn    *Conn
	message *wire.Message
	bytes   int               // of the record
	ctx     context.Context   //nolint:containedctx // of the method, from before the turn; CancelInvocation ends the context
	hooks   []*completionHook // of AfterCompletion; guarded by dispatcher.mu
}

// run runs the method and queues the completion, behind all messages of the method to this connection.
// A stream is completed later.
func (i *invocation) run() {
	var completion *wire.Message
	method, err := i.method()
	if err == nil {
		err = protect(func() (err error) {
			completion, err = i.call(method)
			return err
		})
		if err != nil {
			i.conn.logFailure(i.message.Target, err)
		}
	}
	if err != nil {
		completion = wire.NewCompletion(i.message.ID, errorText(i.message, err))
	}
	if completion != nil { // otherwise a stream continues
		i.conn.streams.release(i)
		if i.message.WantsCompletion() {
			i.conn.send(completion)
		}
	}
	for _, hook := range i.conn.dispatcher.completed(i, err == nil) {
		i.conn.runHook(hook, i.message.Target)
	}
}

// method returns the method of an invocation if the invocation fits.
func (i *invocation) method() (Method, error) {
	m := i.message
	method, known := i.conn.hub.method(m.Target)
	switch {
	case !known:
		return method, errUnknownMethod
	case m.Kind == wire.StreamInvocation && !method.streaming:
		return method, errNotStreaming
	case m.Kind == wire.Invocation && method.streaming:
		return method, errStreaming
	case len(m.Streams) != method.parameters.streams():
		return method, HubError(fmt.Sprintf("Client sent %d stream(s), Hub method expects %d.", len(m.Streams), method.parameters.streams()))
	default:
		return method, nil
	}
}

// call calls the method and returns the completion, or nil if a stream continues.
func (i *invocation) call(method Method) (*wire.Message, error) {
	args, err := method.parameters.bind(i)
	if err != nil {
		return nil, err
	}
	result, err := method.call(i, args)
	switch {
	case err != nil:
		return nil, err
	case method.streaming:
		items, _ := result.(iter.Seq2[any, error])
		i.conn.dispatcher.beside.Go(func() { i.stream(items) })
		return nil, nil //nolint:nilnil // a stream is completed later
	case !i.message.WantsCompletion():
		return wire.NewCompletion(i.message.ID, ""), nil // is not sent
	default:
		return wire.NewMessage(wire.Message{Kind: wire.Completion, ID: i.message.ID}, result)
	}
}

// runHook runs a function of AfterCompletion.
func (c *Conn) runHook(hook func(context.Context) error, method string) {
	if err := protect(func() error { return hook(c.ctx) }); err != nil {
		c.logFailure(method, err)
	}
}

var errGoexit = errors.New("runtime.Goexit")

// protect runs a function of the program on a goroutine of its own and waits for the result: a panic
// and runtime.Goexit become errors and end neither the process nor the caller.
func protect(fn func() error) error {
	done := make(chan error, 1)
	go func() { // ends before protect returns
		err := errGoexit
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			}
			done <- err
		}()
		err = fn()
	}()
	return <-done
}
