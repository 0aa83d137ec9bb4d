package signalr

import "context"

// Method is something that clients invoke. Func0 to Func4 make one of a function
// with a result, Action0 to Action4 of one without.
//
// A connection's methods run one after the other, in the order of the client's
// invocations. Parameters at the end that are a map, a pointer or a slice may be
// left out by the client, and are nil then. The context ends with the connection. An error that is a HubError
// is told to the client; any other one, and a panic, only that something went
// wrong, and the logger gets the rest.
type Method struct {
	call func(ctx context.Context, c *Conn, in arguments) (any, error)
}

// Func0 makes a Method of a function without parameters.
func Func0[R any](fn func(context.Context, *Conn) (R, error)) Method {
	return Method{func(ctx context.Context, c *Conn, in arguments) (any, error) {
		if err := in.bind(); err != nil {
			return nil, err
		}
		return fn(ctx, c)
	}}
}

// Func1 makes a Method of a function with one parameter.
func Func1[A, R any](fn func(context.Context, *Conn, A) (R, error)) Method {
	return Method{func(ctx context.Context, c *Conn, in arguments) (any, error) {
		var a A
		if err := in.bind(&a); err != nil {
			return nil, err
		}
		return fn(ctx, c, a)
	}}
}

// Func2 makes a Method of a function with two parameters.
func Func2[A, B, R any](fn func(context.Context, *Conn, A, B) (R, error)) Method {
	return Method{func(ctx context.Context, conn *Conn, in arguments) (any, error) {
		var (
			a A
			b B
		)
		if err := in.bind(&a, &b); err != nil {
			return nil, err
		}
		return fn(ctx, conn, a, b)
	}}
}

// Func3 makes a Method of a function with three parameters.
func Func3[A, B, C, R any](fn func(context.Context, *Conn, A, B, C) (R, error)) Method {
	return Method{func(ctx context.Context, conn *Conn, in arguments) (any, error) {
		var (
			a A
			b B
			c C
		)
		if err := in.bind(&a, &b, &c); err != nil {
			return nil, err
		}
		return fn(ctx, conn, a, b, c)
	}}
}

// Func4 makes a Method of a function with four parameters.
func Func4[A, B, C, D, R any](fn func(context.Context, *Conn, A, B, C, D) (R, error)) Method {
	return Method{func(ctx context.Context, conn *Conn, in arguments) (any, error) {
		var (
			a A
			b B
			c C
			d D
		)
		if err := in.bind(&a, &b, &c, &d); err != nil {
			return nil, err
		}
		return fn(ctx, conn, a, b, c, d)
	}}
}

// Action0 makes a Method of a function without parameters and result.
func Action0(fn func(context.Context, *Conn) error) Method {
	return Func0(func(ctx context.Context, conn *Conn) (any, error) {
		return nil, fn(ctx, conn)
	})
}

// Action1 makes a Method of a function with one parameter and no result.
func Action1[A any](fn func(context.Context, *Conn, A) error) Method {
	return Func1(func(ctx context.Context, conn *Conn, a A) (any, error) {
		return nil, fn(ctx, conn, a)
	})
}

// Action2 makes a Method of a function with two parameters and no result.
func Action2[A, B any](fn func(context.Context, *Conn, A, B) error) Method {
	return Func2(func(ctx context.Context, conn *Conn, a A, b B) (any, error) {
		return nil, fn(ctx, conn, a, b)
	})
}

// Action3 makes a Method of a function with three parameters and no result.
func Action3[A, B, C any](fn func(context.Context, *Conn, A, B, C) error) Method {
	return Func3(func(ctx context.Context, conn *Conn, a A, b B, c C) (any, error) {
		return nil, fn(ctx, conn, a, b, c)
	})
}

// Action4 makes a Method of a function with four parameters and no result.
func Action4[A, B, C, D any](fn func(context.Context, *Conn, A, B, C, D) error) Method {
	return Func4(func(ctx context.Context, conn *Conn, a A, b B, c C, d D) (any, error) {
		return nil, fn(ctx, conn, a, b, c, d)
	})
}
