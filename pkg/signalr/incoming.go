package signalr

import (
	"context"
	"errors"
	"iter"
)

// Incoming is a stream that a client sends along with an invocation, as a parameter of the method. A
// method with such a parameter takes no turn: it starts as soon as the invocation is read and runs beside
// the other methods of its connection.
//
// The stream is read at the method's pace: while ten items wait, the hub reads nothing more from the
// client. While another method waits for an item, or a Call for its result, more items may wait, up to
// 256 KiB of all streams of a connection. Beyond that the hub reads nothing more from the client; a
// stream of which its method then reads nothing for Options.ClientTimeout, while others wait, ends with
// an error.
//
// Unread items are dropped when the method returns, or when the method's own stream has ended if its
// result is a stream.
type Incoming[T any] struct{ stream *clientStream }

// All returns the items as they arrive. An error comes last: the client's own error, an item that is no
// T, a stream that was not read for too long, or the end of the connection or of ctx.
func (s Incoming[T]) All(ctx context.Context) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			var item T
			raw, err := s.stream.next(ctx)
			if errors.Is(err, errStreamEnd) {
				return
			}
			if err == nil {
				err = decode(raw, &item)
			}
			if !yield(item, err) || err != nil {
				return
			}
		}
	}
}

func (s *Incoming[T]) attach(stream *clientStream) { s.stream = stream }

// attacher is a parameter that is a client stream.
type attacher interface{ attach(stream *clientStream) }
