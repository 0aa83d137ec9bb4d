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
	maxShortString   = 255 // bytes
	frameOverhead    = 8   // bytes of a frame around its payload
	headerFixedSize  = 14  // bytes of a content header before the properties
	maxLosses        = 5   // connections lost over the same message before the message is suspected
	isolatedAttempts = 2   // further attempts for a suspect lost in isolation
)

// checkSize returns ErrRejected for a message too large for AMQP. Sending the message would close
// the connection. maxFrame 0 is no limit.
func checkSize(m amqp.Publishing, maxFrame int) error {
	for _, short := range []struct{ name, text string }{{"type", m.Type}, {"id", m.MessageId}, {"source", m.AppId}} {
		if len(short.text) > maxShortString {
			return fmt.Errorf("%w: %s of %d bytes exceeds AMQP's limit of %d", event.ErrRejected, short.name, len(short.text), maxShortString)
		}
	}
	if size := headerSize(m); maxFrame > 0 && size > maxFrame {
		return fmt.Errorf("%w: headers of %d bytes exceed the broker's limit of %d (frame_max)", event.ErrRejected, size, maxFrame)
	}
	return nil
}

// headerSize returns the size of the frame with the message's properties.
func headerSize(m amqp.Publishing) int {
	const length, long, kind, mode, timestamp = 1, 4, 1, 1, 8
	size := frameOverhead + headerFixedSize + mode + timestamp + long
	for _, short := range []string{m.ContentType, m.MessageId, m.Type, m.AppId} {
		size += length + len(short)
	}
	for key, value := range m.Headers {
		size += length + len(key) + kind + long + len(text(value))
	}
	return size
}

// suspicion is the result of a lost message if the channel or the connection may have been lost
// over a message of this batch.
type suspicion struct {
	reason   string
	reported bool // by the broker
}

func (s suspicion) Error() string { return errLost.Error() + ": " + s.reason }
func (suspicion) Unwrap() error   { return errLost }

// isolateRejected publishes suspected messages again, one by one, and marks the rejected messages
// with ErrRejected. A suspect alone in its batch is published again, too, because a channel keeps
// the limits of its opening. Without a reason from the broker, a message counts as rejected only if
// others were accepted in between: otherwise an unstable network is the likely cause.
func (p *Publisher) isolateRejected(ctx context.Context, messages []event.Message, results []error) {
	retry := func(i int) error { return p.publish(ctx, messages[i:i+1])[0] }
	var suspects []int
	othersAccepted := false
	for i, err := range results {
		if _, suspected := errors.AsType[suspicion](err); suspected {
			results[i] = retry(i)
			suspects, othersAccepted = append(suspects, i), othersAccepted || results[i] == nil
		}
	}
	for _, i := range suspects {
		s, _ := errors.AsType[suspicion](results[i])
		if !s.reported {
			for range isolatedAttempts {
				if othersAccepted && errors.Is(results[i], errLost) {
					results[i] = retry(i)
				}
			}
			s.reason = "each attempt lost the connection, and other messages were accepted"
		}
		if errors.Is(results[i], errLost) && (s.reported || othersAccepted) {
			results[i] = fmt.Errorf("%w: %s", event.ErrRejected, s.reason)
		}
	}
}

// lossCounter counts consecutive losses with the same message as the first lost message.
type lossCounter struct {
	id    string
	count int
}

// suspect replaces the results of the lost messages by a suspicion if the broker gave one of the
// messages as the reason, or if the same message was lost too often.
func (l *lossCounter) suspect(ctx context.Context, ch *offeredChannel, messages []event.Message, results []error) {
	first := slices.IndexFunc(results, func(err error) bool { return errors.Is(err, errLost) })
	if first < 0 {
		return
	}
	if id := messages[first].ID; id == l.id {
		l.count++
	} else {
		l.id, l.count = id, 1
	}
	cause := ch.closeError(ctx)
	var s suspicion
	switch {
	case ch.abandoned:
		return
	case concernsMessage(cause):
		s = suspicion{reason: cause.Reason, reported: true}
	case l.count > maxLosses:
		s.reason = fmt.Sprintf("lost %d times", l.count)
	default:
		return
	}
	for i, err := range results {
		if errors.Is(err, errLost) {
			results[i] = s
		}
	}
}

// concernsMessage reports whether the broker closed a channel or a connection because of a message,
// not because of its own state.
func concernsMessage(e *amqp.Error) bool {
	return e != nil && e.Server && slices.Contains([]int{
		amqp.ContentTooLarge, amqp.PreconditionFailed, amqp.FrameError, amqp.SyntaxError,
	}, e.Code)
}

// closesChannelOnly reports whether the broker closed only the channel because of a message; the
// connection is still usable.
func closesChannelOnly(err error) bool {
	e, ok := errors.AsType[*amqp.Error](err)
	return ok && e.Recover && concernsMessage(e)
}
