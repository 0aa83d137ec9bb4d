package signalr_test

import (
	"context"
	"errors"
	"iter"
	"sync/atomic"
	"testing"

	"parley.internal/pkg/signalr"
)

type counted = iter.Seq2[int, error]

// streamHub is a hub with streaming methods and methods that read client streams.
type streamHub struct {
	*recorder

	produced atomic.Int64
	stopped  chan error // why an endless stream ended
}

func newStreamHub() *streamHub {
	r := &streamHub{recorder: newRecorder(signalr.Options{}), stopped: make(chan error, 100)}
	r.Handle("Count", signalr.Stream1(func(_ context.Context, _ *signalr.Conn, n int) (counted, error) {
		return func(yield func(int, error) bool) {
			for i := range n {
				if !yield(i, nil) {
					return
				}
			}
		}, nil
	}))
	r.Handle("Endless", signalr.Stream1(func(ctx context.Context, _ *signalr.Conn, text string) (iter.Seq2[string, error], error) {
		return func(yield func(string, error) bool) {
			for yield(text, nil) {
				r.produced.Add(1)
			}
			r.stopped <- ctx.Err()
		}, nil
	}))
	r.Handle("Slowly", signalr.Stream0(func(ctx context.Context, _ *signalr.Conn) (counted, error) {
		return func(yield func(int, error) bool) {
			yield(0, nil)
			<-ctx.Done()
			r.stopped <- ctx.Err()
		}, nil
	}))
	r.Handle("Fail", signalr.Stream2(func(_ context.Context, _ *signalr.Conn, first int, text string) (counted, error) {
		return func(yield func(int, error) bool) { _ = yield(first, nil) && yield(0, signalr.HubError(text)) }, nil
	}))
	r.Handle("Three", signalr.Stream3(func(_ context.Context, _ *signalr.Conn, a, b, c int) (counted, error) { return some(a, b, c), nil }))
	r.Handle("Four", signalr.Stream4(func(_ context.Context, _ *signalr.Conn, a, b, c, d int) (counted, error) {
		return some(a, b, c, d), nil
	}))
	r.Handle("Panic", signalr.Stream0(func(context.Context, *signalr.Conn) (counted, error) {
		return func(func(int, error) bool) { panic("the password is x") }, nil
	}))
	r.Handle("Refuse", signalr.Stream0(func(context.Context, *signalr.Conn) (counted, error) {
		return nil, signalr.HubError("not today")
	}))
	r.Handle("Sum", signalr.Func2(func(ctx context.Context, _ *signalr.Conn, from int, items signalr.Incoming[int]) (int, error) {
		for item, err := range items.All(ctx) {
			if err != nil {
				return 0, signalr.HubError(err.Error())
			}
			from += item
		}
		return from, nil
	}))
	r.Handle("First", signalr.Func1(func(ctx context.Context, _ *signalr.Conn, items signalr.Incoming[int]) (int, error) {
		for item, err := range items.All(ctx) {
			return item, err
		}
		return 0, signalr.HubError("there was none")
	}))
	r.Handle("Double", signalr.Stream1(func(ctx context.Context, _ *signalr.Conn, items signalr.Incoming[int]) (counted, error) {
		return func(yield func(int, error) bool) {
			for item, err := range items.All(ctx) {
				if !yield(2*item, err) {
					return
				}
			}
		}, nil
	}))
	r.Handle("AskBack", signalr.Func1(func(ctx context.Context, c *signalr.Conn, question string) (string, error) {
		answer, err := signalr.Call[string](ctx, c, "Answer", question)
		if text, ok := errors.AsType[signalr.ClientError](err); ok {
			return "", signalr.HubError("the client says: " + text.Error())
		}
		return answer, err
	}))
	return r
}

func some(items ...int) counted {
	return func(yield func(int, error) bool) {
		for _, item := range items {
			if !yield(item, nil) {
				return
			}
		}
	}
}

func withStreams(t *testing.T, fn func(t *testing.T, r *streamHub, n *network)) {
	t.Helper()
	var r *streamHub
	hub := func() *signalr.Hub {
		r = newStreamHub()
		return r.Hub
	}
	serve(t, hub, func(t *testing.T, _ *signalr.Hub, n *network) { fn(t, r, n) })
}
