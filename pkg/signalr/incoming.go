package signalr

import (
	"context"
	"errors"
	"iter"
)

// Incoming is a client stream: a stream that a client sends along with an invocation, as a parameter
// of the method. A method with client streams takes no turn: the method starts as soon as the
// invocation is read and runs beside the other methods of the connection.
//
// The stream is read at the method's pace: while ten items wait, the hub reads nothing more from the
// client. While another method waits for an item, or a Call for its result, more items may wait, up to
// 256 KiB of all streams of a connection. Beyond this limit the hub reads nothing more from the
// client; a stream then ends with an error if the method does not read the stream for
// Options.ClientTimeout while others wait.
//
// Unread items are dropped when the method returns; if the result is a stream, when that stream has
// ended.
type Incoming[T any] struct{ stream *clientStream }

// All returns the items as they arrive. An error comes last: the client's own error, an item of another
// type than T, a stream left unread for too long, or the end of the connection or of ctx.
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

// attacher is a parameter of type Incoming.
type attacher interface{ attach(stream *clientStream) }
