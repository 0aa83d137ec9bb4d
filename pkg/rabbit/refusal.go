package rabbit

import (
	"context"
	"errors"
	"fmt"
	"slices"

	amqp "github.com/rabbitmq/amqp091-go"

	"parley.internal/pkg/event"
)

const (
	shortMost   = 255 // bytes of a short string
	frameAround = 8   // bytes of a frame around what it holds
	headerFixed = 14  // bytes of a message's header before its properties
	mostLosses  = 5   // of a connection over the same message, before that is suspected
	aloneTries  = 2   // more, of one that is suspected and was lost alone
)

// room says what of a message the protocol has no room for, or nothing. Sent, it
// would end the connection, which is why it is not.
func room(p amqp.Publishing, frame int) error {
	for _, short := range []struct{ name, text string }{{"type", p.Type}, {"id", p.MessageId}, {"source", p.AppId}} {
		if len(short.text) > shortMost {
			return fmt.Errorf("%w: its %s has %d bytes, AMQP has room for %d", event.ErrRefused, short.name, len(short.text), shortMost)
		}
	}
	if size := headerSize(p); frame > 0 && size > frame {
		return fmt.Errorf("%w: its headers have %d bytes, the broker takes %d (frame_max)", event.ErrRefused, size, frame)
	}
	return nil
}

// headerSize is how many bytes the frame of the message's properties has.
func headerSize(p amqp.Publishing) int {
	const length, long, kind, mode, timestamp = 1, 4, 1, 1, 8
	size := frameAround + headerFixed + mode + timestamp + long
	for _, short := range []string{p.ContentType, p.MessageId, p.Type, p.AppId} {
		size += length + len(short)
	}
	for key, value := range p.Headers {
		size += length + len(key) + kind + long + len(text(value))
	}
	return size
}

// suspicion is that the channel or the connection was lost over a message of the
// batch.
type suspicion struct {
	reason string
	said   bool // by the broker
}

func (s suspicion) Error() string { return errLost.Error() + ": " + s.reason }
func (suspicion) Unwrap() error   { return errLost }

// sift finds the messages of a batch that the broker does not take, by
// publishing them one by one: even one that was alone, for a channel keeps the
// limits that it was opened with. What the broker has not said is believed only
// if others were taken in between: else it is the network that comes and goes.
func (t *Transport) sift(ctx context.Context, batch []event.Message, results []error) {
	alone := func(i int) error { return t.publish(ctx, batch[i:i+1])[0] }
	var suspects []int
	taken := false
	for i, err := range results {
		if _, is := errors.AsType[suspicion](err); is {
			results[i] = alone(i)
			suspects, taken = append(suspects, i), taken || results[i] == nil
		}
	}
	for _, i := range suspects {
		s, _ := errors.AsType[suspicion](results[i])
		if !s.said {
			for range aloneTries {
				if taken && errors.Is(results[i], errLost) {
					results[i] = alone(i)
				}
			}
			s.reason = "the connection was lost each time that it was sent, and others were taken"
		}
		if errors.Is(results[i], errLost) && (s.said || taken) {
			results[i] = fmt.Errorf("%w: %s", event.ErrRefused, s.reason)
		}
	}
}

// losses counts how often in a row the same message was the first to be lost.
type losses struct {
	id    string
	times int
}

// judge makes a suspicion of each loss of a batch that was lost over one of its
// messages: because the broker says so, or because it comes to that each time.
func (ls *losses) judge(ctx context.Context, l *lane, batch []event.Message, results []error) {
	first := slices.IndexFunc(results, func(err error) bool { return errors.Is(err, errLost) })
	if first < 0 {
		return
	}
	if id := batch[first].ID; id == ls.id {
		ls.times++
	} else {
		ls.id, ls.times = id, 1
	}
	cause := l.lost(ctx)
	var s suspicion
	switch {
	case l.unsettled:
		return
	case isAboutMessage(cause):
		s = suspicion{reason: cause.Reason, said: true}
	case ls.times > mostLosses:
		s.reason = fmt.Sprintf("lost %d times", ls.times)
	default:
		return
	}
	for i, err := range results {
		if errors.Is(err, errLost) {
			results[i] = s
		}
	}
}

// lost is what ended the channel, if it was the broker.
func (l *lane) lost(ctx context.Context) *amqp.Error {
	if l.cause == nil && l.ch.IsClosed() {
		select {
		case l.cause = <-l.over:
		case <-ctx.Done():
		}
	}
	return l.cause
}

// isAboutMessage reports whether a broker ends a channel so, or a connection,
// because of what was published, and not because of how it is itself.
func isAboutMessage(e *amqp.Error) bool {
	return e != nil && e.Server && slices.Contains([]int{
		amqp.ContentTooLarge, amqp.PreconditionFailed, amqp.FrameError, amqp.SyntaxError,
	}, e.Code)
}

// isOfChannel reports whether the broker ended a channel over a message, and
// nothing else.
func isOfChannel(err error) bool {
	e, is := errors.AsType[*amqp.Error](err)
	return is && e.Recover && isAboutMessage(e)
}
