// Package event moves domain events between services: a typed event on both sides, a
// Message in between, and a transport that is a broker or, in a single process, a
// function call.
//
// A transport delivers every message that it has confirmed at least once, also to
// subscriptions that were down meanwhile. Duplicates carry the same id.
package event

import (
	"context"
	"errors"
	"time"
)

// Event is a domain event. Its type is its routing key. The shape of a published type
// never changes except for new optional fields.
type Event interface{ Type() string }

// Message is an encoded event.
type Message struct {
	ID     string    // a UUIDv7; "" if the publisher gave none: duplicates are not recognized
	Type   string    // "PolicyCreated"
	Source string    // the publishing service
	Time   time.Time // when the event was recorded, UTC, to the microsecond at best

	// Events with the same partition key are numbered 1, 2, 3 … by Sequence, in the
	// order in which they happened. "" and 0: the event has no order.
	PartitionKey string
	Sequence     int64

	TraceParent string // the W3C trace context of the cause, or ""
	Data        []byte // JSON
}

// Ordered reports whether the message has an order.
func (m Message) Ordered() bool { return m.PartitionKey != "" && m.Sequence > 0 }

// Publisher publishes messages through a transport. A Publisher is safe for concurrent
// use.
type Publisher interface {
	// Publish publishes a batch in order and returns a result for each message, at the
	// same index. Nil confirms the message: the transport has taken responsibility.
	// ErrUnroutable and ErrRejected are final. After any other error the message may
	// or may not have been accepted: publish it again.
	Publish(ctx context.Context, batch []Message) []error
}

// The results of a publication besides a confirm.
var (
	// ErrUnroutable says that no queue is bound to this event type.
	ErrUnroutable = errors.New("unroutable: no queue is bound to this event type")
	// ErrRejected says that the transport can never accept this message, for a reason
	// in the wrapping error; other messages are accepted.
	ErrRejected = errors.New("rejected by the transport")
	// ErrUnavailable says that the transport is unavailable and that Publish has
	// waited for it: publish again at once.
	ErrUnavailable = errors.New("transport unavailable")
)

// Subscription describes the events of a consuming service.
type Subscription struct {
	Name  string   // the service's name on the transport: "lab-chat-service"
	Types []string // each type has a queue of its own

	// Receive takes responsibility for a batch by returning nil; after an error the
	// whole batch is delivered again. The transport calls Receive concurrently, and
	// again with duplicates. The context ends when the subscription stops.
	Receive func(ctx context.Context, batch []Message) error

	// CaughtUp is called about once a second for each type: events of the type that
	// were published before until, by the clock of this process, were received here or
	// delivered to another process. Under traffic without end until still advances;
	// while the transport is unavailable it does not. CaughtUp may be nil.
	CaughtUp func(eventType string, until time.Time)
}

// Subscriber connects a subscription to a transport.
type Subscriber interface {
	// Subscribe registers the subscription and returns run, which delivers until its
	// context ends, lets a Receive in progress finish, and returns nil. The
	// subscription is durable: messages published while nobody runs it wait for the
	// next run. On a broker, the first run declares the subscription.
	Subscribe(s Subscription) (run func(ctx context.Context) error)
}
