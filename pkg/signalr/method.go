package signalr

import (
	"context"
	"iter"
)

// Method is a function that clients invoke. Func0 to Func4 make a Method of a function with a result,
// Action0 to Action4 of a function without, Stream0 to Stream4 of a function with a stream as result.
//
// The methods of a connection run sequentially, in the order of the client's invocations. Streams
// continue beside them, and methods with a client stream (Incoming) run beside them. The client may
// leave out parameters at the end of type map, pointer, slice or interface (any, for example); they
// are nil then. The context ends with the connection, and the context of a stream also when the client
// cancels the stream. The client is told the text of a HubError; any other error, a panic and
// runtime.Goexit are logged, and the client is told of an unexpected error.
type Method struct {
	parameters parameters
	call       func(i *invocation, args []any) (any, error) // with a pointer to each argument
	streaming  bool                                         // the result of call is an iter.Seq2[any, error]
}

// streaming makes a streaming method of a method with an iter.Seq2[any, error] as result.
func streaming(m Method) Method {
	m.streaming = true
	return m
}

// anyItems converts the items of a stream.
func anyItems[R any](items iter.Seq2[R, error], err error) (iter.Seq2[any, error], error) {
	return func(yield func(any, error) bool) {
		for item, err := range items {
			if !yield(item, err) {
				return
			}
		}
	}, err
}

// Func0 makes a Method of a function without parameters.
func Func0[R any](fn func(context.Context, *Conn) (R, error)) Method {
	return Method{call: func(i *invocation, _ []any) (any, error) {
		return fn(i.ctx, i.conn)
	}}
}

// Func1 makes a Method of a function with one parameter.
func Func1[A, R any](fn func(context.Context, *Conn, A) (R, error)) Method {
	return Method{call: func(i *invocation, args []any) (any, error) {
		return fn(i.ctx, i.conn, argument[A](args, 0))
	}, parameters: parameters{parameterOf[A]()}}
}

// Func2 makes a Method of a function with two parameters.
func Func2[A, B, R any](fn func(context.Context, *Conn, A, B) (R, error)) Method {
	return Method{call: func(i *invocation, args []any) (any, error) {
		return fn(i.ctx, i.conn, argument[A](args, 0), argument[B](args, 1))
	}, parameters: parameters{parameterOf[A](), parameterOf[B]()}}
}

// Func3 makes a Method of a function with three parameters.
func Func3[A, B, C, R any](fn func(context.Context, *Conn, A, B, C) (R, error)) Method {
	return Method{call: func(i *invocation, args []any) (any, error) {
		return fn(i.ctx, i.conn, argument[A](args, 0), argument[B](args, 1), argument[C](args, 2))
	}, parameters: parameters{parameterOf[A](), parameterOf[B](), parameterOf[C]()}}
}

// Func4 makes a Method of a function with four parameters.
func Func4[A, B, C, D, R any](fn func(context.Context, *Conn, A, B, C, D) (R, error)) Method {
	return Method{call: func(i *invocation, args []any) (any, error) {
		return fn(i.ctx, i.conn, argument[A](args, 0), argument[B](args, 1), argument[C](args, 2), argument[D](args, 3))
	}, parameters: parameters{parameterOf[A](), parameterOf[B](), parameterOf[C](), parameterOf[D]()}}
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

// Stream0 makes a Method of a function without parameters and with a stream as result. The error of the
// function, and an error beside an item, end the stream.
func Stream0[R any](fn func(context.Context, *Conn) (iter.Seq2[R, error], error)) Method {
	return streaming(Func0(func(ctx context.Context, conn *Conn) (iter.Seq2[any, error], error) {
		return anyItems(fn(ctx, conn))
	}))
}

// Stream1 makes a Method of a function with one parameter and a stream as result. The error of the
// function, and an error beside an item, end the stream.
func Stream1[A, R any](fn func(context.Context, *Conn, A) (iter.Seq2[R, error], error)) Method {
	return streaming(Func1(func(ctx context.Context, conn *Conn, a A) (iter.Seq2[any, error], error) {
		return anyItems(fn(ctx, conn, a))
	}))
}

// Stream2 makes a Method of a function with two parameters and a stream as result. The error of the
// function, and an error beside an item, end the stream.
func Stream2[A, B, R any](fn func(context.Context, *Conn, A, B) (iter.Seq2[R, error], error)) Method {
	return streaming(Func2(func(ctx context.Context, conn *Conn, a A, b B) (iter.Seq2[any, error], error) {
		return anyItems(fn(ctx, conn, a, b))
	}))
}

// Stream3 makes a Method of a function with three parameters and a stream as result. The error of the
// function, and an error beside an item, end the stream.
func Stream3[A, B, C, R any](fn func(context.Context, *Conn, A, B, C) (iter.Seq2[R, error], error)) Method {
	return streaming(Func3(func(ctx context.Context, conn *Conn, a A, b B, c C) (iter.Seq2[any, error], error) {
		return anyItems(fn(ctx, conn, a, b, c))
	}))
}

// Stream4 makes a Method of a function with four parameters and a stream as result. The error of the
// function, and an error beside an item, end the stream.
func Stream4[A, B, C, D, R any](fn func(context.Context, *Conn, A, B, C, D) (iter.Seq2[R, error], error)) Method {
	return streaming(Func4(func(ctx context.Context, conn *Conn, a A, b B, c C, d D) (iter.Seq2[any, error], error) {
		return anyItems(fn(ctx, conn, a, b, c, d))
	}))
}
