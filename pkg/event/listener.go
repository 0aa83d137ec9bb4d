package event

import (
	"context"
	"sync"
)

// Listener lets a process listen to published events besides the subscriptions: as a
// hint, for example to drop a cached value.
type Listener interface {
	// Listen names the event types and returns run, which listens until its context
	// ends. Every listener receives each event, at most once per publication; nothing
	// is kept for a listener that is away. Lost is therefore called at the start, and
	// whenever events may have been lost: after a reconnect, and when the listener was
	// too slow. Calls of deliver and lost never overlap.
	//
	// Where events cross processes, call Listen in publishing processes, too: a
	// transport need not forward event types without a known listener.
	//
	// A listener is no subscription: an event with listeners only is ErrUnroutable.
	Listen(types []string, deliver func(Message), lost func()) (run func(ctx context.Context) error)
}

// queueLimit is how many messages wait for a slow listener. One more drops all of them
// and reports a loss.
const queueLimit = 1024

// ListenerQueue is the bounded queue between a transport and a listener: the transport
// never waits. A ListenerQueue is safe for concurrent use.
type ListenerQueue struct {
	deliver func(Message)
	lost    func()
	filled  chan struct{} // holds a single token: Run has something to take

	mu      sync.Mutex
	gap     bool // events were lost before the first waiting message
	waiting []Message
}

// NewListenerQueue returns the queue of a listener.
func NewListenerQueue(deliver func(Message), lost func()) *ListenerQueue {
	return &ListenerQueue{deliver: deliver, lost: lost, filled: make(chan struct{}, 1)}
}

// Deliver queues a message for the listener.
func (q *ListenerQueue) Deliver(m Message) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == queueLimit {
		q.gap, q.waiting = true, nil
	}
	q.waiting = append(q.waiting, m)
	q.wake()
}

// Lost reports to the listener that events may have been lost. Waiting messages are
// older than the loss and are dropped.
func (q *ListenerQueue) Lost() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.gap, q.waiting = true, nil
	q.wake()
}

func (q *ListenerQueue) wake() {
	select {
	case q.filled <- struct{}{}:
	default:
	}
}

// Run calls the listener until ctx ends.
func (q *ListenerQueue) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-q.filled:
		}
		gap, messages := q.take()
		if gap {
			q.lost()
		}
		for _, m := range messages {
			if ctx.Err() != nil {
				return
			}
			q.deliver(m)
		}
	}
}

func (q *ListenerQueue) take() (gap bool, messages []Message) {
	q.mu.Lock()
	defer q.mu.Unlock()
	gap, messages = q.gap, q.waiting
	q.gap, q.waiting = false, nil
	return gap, messages
}
