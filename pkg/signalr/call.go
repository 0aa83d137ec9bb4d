package signalr

import (
	"context"
	"errors"
	"fmt"
	"strconv"
)

// ClientError is what a client answers a call with that failed there.
type ClientError string

// Error is the client's text.
func (e ClientError) Error() string { return string(e) }

// ErrEnded is the error of a call to a client whose connection has ended, and of a
// stream of its that it did not end before.
var ErrEnded = errors.New("signalr: the connection has ended")

// Call calls target at one client and returns its answer. A client that has no
// such handler answers with a ClientError; one that is older than .NET 7 does
// not answer: give ctx a deadline. A method may call its own client, whose
// answer overtakes the invocations that wait, as long as these are fewer than 16.
func Call[R any](ctx context.Context, c *Conn, target string, args ...any) (R, error) {
	var result R
	answer, err := c.call(ctx, target, args)
	if err != nil {
		return result, fmt.Errorf("call %s: %w", target, err)
	}
	if answer.failure != "" {
		return result, fmt.Errorf("call %s: %w", target, ClientError(answer.failure))
	}
	if answer.value == nil {
		return result, nil
	}
	if err := decode(answer.value, &result); err != nil {
		return result, fmt.Errorf("call %s: decode the result: %w", target, err)
	}
	return result, nil
}

func (c *Conn) call(ctx context.Context, target string, args []any) (*message, error) {
	answer := make(chan *message, 1)
	id, err := c.expect(answer)
	if err != nil {
		return nil, err
	}
	defer c.forget(id)
	o, err := invocationOf(id, target, args)
	if err != nil {
		return nil, err
	}
	c.push(o)
	select {
	case m, came := <-answer:
		if !came {
			return nil, ErrEnded
		}
		return m, nil
	case <-c.ctx.Done():
		return nil, ErrEnded
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// expect has an answer of the client's delivered under the id that it returns. The
// channel is closed when there will be none.
func (c *Conn) expect(answer chan<- *message) (id string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.flows.cut {
		return "", ErrEnded
	}
	c.flows.named++
	id = "s" + strconv.Itoa(c.flows.named)
	put(&c.flows.calls, id, answer)
	c.flows.move() // The reader may have to go on.
	return id, nil
}

func (c *Conn) forget(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.flows.calls, id)
}
