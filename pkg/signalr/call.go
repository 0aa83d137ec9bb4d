package signalr

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"parley.internal/pkg/signalr/internal/wire"
)

// ClientError is the error of a call from the client's side.
type ClientError string

// Error returns the client's text.
func (e ClientError) Error() string { return string(e) }

// ErrEnded is the error of calls to a client and of client streams once the connection has ended.
var ErrEnded = errors.New("signalr: the connection has ended")

// Call calls target at a client and returns the result. A client without the handler answers with a
// ClientError; a client older than .NET 7 does not answer: give ctx a deadline. A method may call its
// own client: the result overtakes waiting invocations while these are fewer than 16.
func Call[R any](ctx context.Context, c *Conn, target string, args ...any) (R, error) {
	var result R
	answer, err := c.call(ctx, target, args)
	if err != nil {
		return result, fmt.Errorf("call %s: %w", target, err)
	}
	if answer.Error != "" {
		return result, fmt.Errorf("call %s: %w", target, ClientError(answer.Error))
	}
	if answer.Value == nil {
		return result, nil
	}
	if err := decode(answer.Value, &result); err != nil {
		return result, fmt.Errorf("call %s: decode the result: %w", target, err)
	}
	return result, nil
}

func (c *Conn) call(ctx context.Context, target string, args []any) (*wire.Message, error) {
	result := make(chan *wire.Message, 1)
	id, err := c.streams.expectResult(result)
	if err != nil {
		return nil, err
	}
	defer c.streams.forgetResult(id)
	m, err := wire.NewMessage(wire.Message{Kind: wire.Invocation, ID: id, Target: target}, args...)
	if err != nil {
		return nil, err
	}
	c.send(m)
	select {
	case m, ok := <-result:
		if !ok {
			return nil, ErrEnded
		}
		return m, nil
	case <-c.ctx.Done():
		return nil, ErrEnded
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// expectResult registers a channel for the result of a call and returns the ID for the call. The
// channel is closed if there will be no result.
func (s *streams) expectResult(result chan<- *wire.Message) (id string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return "", ErrEnded
	}
	s.calls++
	id = "s" + strconv.Itoa(s.calls)
	put(&s.results, id, result)
	s.wakeReader() // a waiting call lets the reader buffer more
	return id, nil
}

func (s *streams) forgetResult(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.results, id)
}
