package signalr

import (
	"context"
	"errors"
	"iter"
)

// Incoming is a stream that a client sends along with an invocation, as a
// parameter of the method. Such a method takes no turn: it runs beside the
// others of its connection, from when it is read.
//
// It is read at the method's pace: while ten items wait, the client is not read,
// nor is anything that it sent behind them. Unless that is what somebody waits
// for: as long as another method has nothing to read, or a Call no answer, more
// items may wait, up to 256 KiB of all streams of a connection. Beyond that the
// client is not read again; and a stream of which its method then reads nothing
// for Options.ClientTimeout, while others wait, ends with an error.
//
// What a method leaves of a stream is forgotten when the method returns, or when
// its own stream has ended, if its result is one.
type Incoming[T any] struct{ upload *upload }

// All are the items as they come. An error is the last: the client's own, one
// about an item that is no T, that nobody has read the stream for too long, or
// that the connection or ctx has ended.
func (s Incoming[T]) All(ctx context.Context) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			var item T
			raw, err := s.upload.next(ctx)
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

func (s *Incoming[T]) attach(u *upload) { s.upload = u }

// attacher is a parameter that is a stream.
type attacher interface{ attach(u *upload) }
