// Package event moves facts between services: a typed event on either side, a
// Message on the way, and a transport in between that may be a broker or, in
// one process, a function call.
//
// Its promise: a transport delivers what it took responsibility for at least
// once, whoever was down meanwhile; what arrives twice carries the same id.
package event

import (
	"context"
	"errors"
	"time"
)

// Event is a fact worth telling. Its type is also its routing key, and what is
// published under a type never changes shape, it only gains optional fields.
type Event interface{ Type() string }

// Message is an event on its way, encoded.
type Message struct {
	ID     string    // a UUIDv7; "" when the publisher gave none: then it cannot be told from a copy
	Type   string    // "PolicyCreated"
	Source string    // the service that published it
	Time   time.Time // when it was recorded, UTC, to the microsecond at best

	// The events of one partition key are numbered 1, 2, 3 … by Sequence, in
	// the order in which they happened. "" and 0: this event has no order.
	PartitionKey string
	Sequence     int64

	TraceParent string // W3C trace context of what caused it, or ""
	Data        []byte // JSON
}

// Ordered reports whether the message has a place among others.
func (m Message) Ordered() bool { return m.PartitionKey != "" && m.Sequence > 0 }

// Publisher hands messages over to a transport. It is safe for concurrent use.
type Publisher interface {
	// Publish hands over a batch, in order, and answers for each message, at
	// the same index: nil, the transport has taken responsibility for it;
	// ErrUnroutable, nobody is bound to its type; ErrRefused, it will not be taken
	// as it is; anything else, it may or may not have been taken: publish it again.
	Publish(ctx context.Context, batch []Message) []error
}

// What may become of a message besides being taken.
var (
	// ErrUnroutable says that no subscription, running or not, wants this type.
	ErrUnroutable = errors.New("nobody is bound to this type of event")
	// ErrRefused says that the transport does not take this message, and would not
	// if it were published again; it takes the others. What wraps it says why.
	ErrRefused = errors.New("the transport refuses this event")
	// ErrUnavailable says that the transport is away, and that Publish has waited
	// for it: publish again at once.
	ErrUnavailable = errors.New("the transport is not available")
)

// Subscription is what one consuming service wants to be told.
type Subscription struct {
	Name  string   // the service's name on the transport: "lab-chat-service"
	Types []string // each type has a queue of its own

	// Receive takes responsibility for a batch by returning nil; after an
	// error all of it is delivered again. The transport calls it from several
	// goroutines at once, and again with messages that it has seen before. The
	// context ends when the subscription is to stop.
	Receive func(ctx context.Context, batch []Message) error

	// CaughtUp is told again and again, about once a second, how far a type's queue
	// has been worked off: what was published before that moment, by the clock of
	// this process, Receive has taken, or another process was given. Under traffic
	// that never ends it still advances; while the transport is away it does not.
	// Nil: nobody wants to know.
	CaughtUp func(eventType string, until time.Time)
}

// Subscriber connects a subscription to a transport.
type Subscriber interface {
	// Subscribe names the subscription, and returns what delivers to it: run
	// works until its context ends, lets the Receive in hand finish, and returns
	// nil. The subscription lasts: messages published while nobody runs it wait
	// for the next to do so. Where a transport keeps subscriptions elsewhere, on
	// a broker, the very first run declares it there.
	Subscribe(s Subscription) (run func(ctx context.Context) error)
}
