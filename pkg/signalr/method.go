package signalr

import (
	"context"
	"iter"
)

// Method is something that clients invoke. Func0 to Func4 make one of a function
// with a result, Action0 to Action4 of one without, Stream0 to Stream4 of one
// whose result is a stream.
//
// A connection's methods run one after the other, in the order of the client's
// invocations; streams go on beside them, and so do methods that read one
// (Incoming). Parameters at the end that are a map, a pointer, a slice or an
// interface such as any may be left out by the client, and are nil then. The
// context ends with the connection, that of a stream also when its client
// cancels it. An error that is a HubError is told to the client; any other one,
// a panic and runtime.Goexit only that something went wrong, and the logger gets
// the rest.
type Method struct {
	shape  shape
	call   func(ctx context.Context, in *input) (any, error)
	stream func(ctx context.Context, in *input) (iter.Seq2[any, error], error) // instead of call
}

// boxed is a stream of any items.
func boxed[R any](items iter.Seq2[R, error]) iter.Seq2[any, error] {
	return func(yield func(any, error) bool) {
		for item, err := range items {
			if !yield(item, err) {
				return
			}
		}
	}
}

// Func0 makes a Method of a function without parameters.
func Func0[R any](fn func(context.Context, *Conn) (R, error)) Method {
	s := shape(nil)
	return Method{shape: s, call: func(ctx context.Context, in *input) (any, error) {
		if err := s.bind(in); err != nil {
			return nil, err
		}
		return fn(ctx, in.conn)
	}}
}

// Func1 makes a Method of a function with one parameter.
func Func1[A, R any](fn func(context.Context, *Conn, A) (R, error)) Method {
	s := shape{parameterOf[A]()}
	return Method{shape: s, call: func(ctx context.Context, in *input) (any, error) {
		var a A
		if err := s.bind(in, &a); err != nil {
			return nil, err
		}
		return fn(ctx, in.conn, a)
	}}
}

// Func2 makes a Method of a function with two parameters.
func Func2[A, B, R any](fn func(context.Context, *Conn, A, B) (R, error)) Method {
	s := shape{parameterOf[A](), parameterOf[B]()}
	return Method{shape: s, call: func(ctx context.Context, in *input) (any, error) {
		var (
			a A
			b B
		)
		if err := s.bind(in, &a, &b); err != nil {
			return nil, err
		}
		return fn(ctx, in.conn, a, b)
	}}
}

// Func3 makes a Method of a function with three parameters.
func Func3[A, B, C, R any](fn func(context.Context, *Conn, A, B, C) (R, error)) Method {
	s := shape{parameterOf[A](), parameterOf[B](), parameterOf[C]()}
	return Method{shape: s, call: func(ctx context.Context, in *input) (any, error) {
		var (
			a A
			b B
			c C
		)
		if err := s.bind(in, &a, &b, &c); err != nil {
			return nil, err
		}
		return fn(ctx, in.conn, a, b, c)
	}}
}

// Func4 makes a Method of a function with four parameters.
func Func4[A, B, C, D, R any](fn func(context.Context, *Conn, A, B, C, D) (R, error)) Method {
	s := shape{parameterOf[A](), parameterOf[B](), parameterOf[C](), parameterOf[D]()}
	return Method{shape: s, call: func(ctx context.Context, in *input) (any, error) {
		var (
			a A
			b B
			c C
			d D
		)
		if err := s.bind(in, &a, &b, &c, &d); err != nil {
			return nil, err
		}
		return fn(ctx, in.conn, a, b, c, d)
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

// Stream0 makes a Method of a function without parameters whose result is a stream. Its
// error, and one that comes with an item, end the stream.
func Stream0[R any](fn func(context.Context, *Conn) (iter.Seq2[R, error], error)) Method {
	s := shape(nil)
	return Method{shape: s, stream: func(ctx context.Context, in *input) (iter.Seq2[any, error], error) {
		if err := s.bind(in); err != nil {
			return nil, err
		}
		items, err := fn(ctx, in.conn)
		return boxed(items), err
	}}
}

// Stream1 makes a Method of a function with one parameter whose result is a stream. Its
// error, and one that comes with an item, end the stream.
func Stream1[A, R any](fn func(context.Context, *Conn, A) (iter.Seq2[R, error], error)) Method {
	s := shape{parameterOf[A]()}
	return Method{shape: s, stream: func(ctx context.Context, in *input) (iter.Seq2[any, error], error) {
		var a A
		if err := s.bind(in, &a); err != nil {
			return nil, err
		}
		items, err := fn(ctx, in.conn, a)
		return boxed(items), err
	}}
}

// Stream2 makes a Method of a function with two parameters whose result is a stream. Its
// error, and one that comes with an item, end the stream.
func Stream2[A, B, R any](fn func(context.Context, *Conn, A, B) (iter.Seq2[R, error], error)) Method {
	s := shape{parameterOf[A](), parameterOf[B]()}
	return Method{shape: s, stream: func(ctx context.Context, in *input) (iter.Seq2[any, error], error) {
		var (
			a A
			b B
		)
		if err := s.bind(in, &a, &b); err != nil {
			return nil, err
		}
		items, err := fn(ctx, in.conn, a, b)
		return boxed(items), err
	}}
}

// Stream3 makes a Method of a function with three parameters whose result is a stream. Its
// error, and one that comes with an item, end the stream.
func Stream3[A, B, C, R any](fn func(context.Context, *Conn, A, B, C) (iter.Seq2[R, error], error)) Method {
	s := shape{parameterOf[A](), parameterOf[B](), parameterOf[C]()}
	return Method{shape: s, stream: func(ctx context.Context, in *input) (iter.Seq2[any, error], error) {
		var (
			a A
			b B
			c C
		)
		if err := s.bind(in, &a, &b, &c); err != nil {
			return nil, err
		}
		items, err := fn(ctx, in.conn, a, b, c)
		return boxed(items), err
	}}
}

// Stream4 makes a Method of a function with four parameters whose result is a stream. Its
// error, and one that comes with an item, end the stream.
func Stream4[A, B, C, D, R any](fn func(context.Context, *Conn, A, B, C, D) (iter.Seq2[R, error], error)) Method {
	s := shape{parameterOf[A](), parameterOf[B](), parameterOf[C](), parameterOf[D]()}
	return Method{shape: s, stream: func(ctx context.Context, in *input) (iter.Seq2[any, error], error) {
		var (
			a A
			b B
			c C
			d D
		)
		if err := s.bind(in, &a, &b, &c, &d); err != nil {
			return nil, err
		}
		items, err := fn(ctx, in.conn, a, b, c, d)
		return boxed(items), err
	}}
}
