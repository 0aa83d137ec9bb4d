package signalr_test

import (
	"context"
	"errors"

	"parley.internal/pkg/signalr"
)

// methodHub returns a hub with a method of each kind.
func methodHub() *signalr.Hub {
	h := signalr.New(signalr.Options{Logger: quiet})
	h.Handle("Zero", signalr.Func0(func(context.Context, *signalr.Conn) (string, error) { return "zero", nil }))
	h.Handle("Echo", signalr.Func1(echo))
	h.Handle("Add", signalr.Func2(func(_ context.Context, _ *signalr.Conn, a, b int) (int, error) { return a + b, nil }))
	h.Handle("Join", signalr.Func3(func(_ context.Context, _ *signalr.Conn, a, b, c string) (string, error) {
		return a + b + c, nil
	}))
	h.Handle("Collect", signalr.Func4(func(_ context.Context, _ *signalr.Conn, a int, b string, c bool, d []int) ([]any, error) {
		return []any{a, b, c, d}, nil
	}))
	h.Handle("Do0", signalr.Action0(func(context.Context, *signalr.Conn) error { return nil }))
	h.Handle("Do1", signalr.Action1(func(context.Context, *signalr.Conn, string) error { return nil }))
	h.Handle("Do2", signalr.Action2(func(context.Context, *signalr.Conn, string, int) error { return nil }))
	h.Handle("Do3", signalr.Action3(func(context.Context, *signalr.Conn, string, int, bool) error { return nil }))
	h.Handle("Do4", signalr.Action4(func(context.Context, *signalr.Conn, string, int, bool, any) error { return nil }))
	h.Handle("Refuse", signalr.Action0(func(context.Context, *signalr.Conn) error { return signalr.HubError("not today") }))
	h.Handle("Forbid", signalr.Action0(func(context.Context, *signalr.Conn) error { return signalr.ErrUnauthorized }))
	h.Handle("Break", signalr.Action0(func(context.Context, *signalr.Conn) error { return errors.New("the password is x") }))
	h.Handle("Panic", signalr.Action0(func(context.Context, *signalr.Conn) error { panic("the password is x") }))
	h.Handle("Unencodable", signalr.Func0(func(context.Context, *signalr.Conn) (chan int, error) { return make(chan int), nil }))
	h.Handle("Optional", signalr.Func4(func(_ context.Context, _ *signalr.Conn, a int, b []int, c map[string]int, d *int) ([]any, error) {
		return []any{a, b, c, d}, nil
	}))
	h.Handle("After", signalr.Func1(func(ctx context.Context, c *signalr.Conn, fails *bool) (string, error) {
		c.AfterCompletion(func(context.Context) error { return c.Send("First") })
		c.AfterCompletion(func(context.Context) error { panic("the password is x") })
		c.AfterCompletion(func(context.Context) error { return c.Send("Second") })
		if fails != nil {
			return "", signalr.HubError("not today")
		}
		return "done", c.Send("During")
	}))
	h.Handle("Greet", signalr.Func1(func(_ context.Context, c *signalr.Conn, name string) (int, error) {
		for i := range 3 {
			if err := c.Send("Greeting", name, i); err != nil {
				return 0, err
			}
		}
		return 3, nil
	}))
	return h
}
