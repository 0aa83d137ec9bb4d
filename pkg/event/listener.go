package event

import (
	"context"
	"sync"
)

// Listener lets a process hear what is published, besides the subscriptions: a
// hint, such as one that drops what it has cached.
type Listener interface {
	// Listen names the types to hear, and returns what listens until its context
	// ends. Every listener hears each event, at most once each time it is
	// published; nothing is kept for one that is away. So missed is called when
	// it begins, and whenever something may have been lost: after a connection
	// came back, and when it was too slow. Calls come one at a time.
	//
	// Where events cross processes, call Listen in those that publish them too: a
	// transport need not tell listeners elsewhere of types that it does not know
	// to be wanted.
	//
	// A listener is no subscription: an event that only listeners want is
	// ErrUnroutable.
	Listen(types []string, heard func(Message), missed func()) (run func(ctx context.Context) error)
}

// earLength is how many messages wait for a slow listener. With more of them it
// has missed all that wait.
const earLength = 1024

// Ear is what a transport tells, so that it never waits for a listener. It is
// safe for concurrent use.
type Ear struct {
	heard  func(Message)
	missed func()
	woken  chan struct{} // holds one token: something came since Run looked

	mu      sync.Mutex
	gap     bool // before the first of waiting
	waiting []Message
}

// NewEar makes the ear of a listener.
func NewEar(heard func(Message), missed func()) *Ear {
	return &Ear{heard: heard, missed: missed, woken: make(chan struct{}, 1)}
}

// Hear has the listener hear m.
func (e *Ear) Hear(m Message) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.waiting) == earLength {
		e.gap, e.waiting = true, nil
	}
	e.waiting = append(e.waiting, m)
	e.wake()
}

// Miss has the listener know that something may have been lost. What waits was
// before that, and needs not be heard any more.
func (e *Ear) Miss() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.gap, e.waiting = true, nil
	e.wake()
}

func (e *Ear) wake() {
	select {
	case e.woken <- struct{}{}:
	default:
	}
}

// Run calls the listener until ctx ends.
func (e *Ear) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-e.woken:
		}
		gap, messages := e.take()
		if gap {
			e.missed()
		}
		for _, m := range messages {
			if ctx.Err() != nil {
				return
			}
			e.heard(m)
		}
	}
}

func (e *Ear) take() (gap bool, messages []Message) {
	e.mu.Lock()
	defer e.mu.Unlock()
	gap, messages = e.gap, e.waiting
	e.gap, e.waiting = false, nil
	return gap, messages
}
