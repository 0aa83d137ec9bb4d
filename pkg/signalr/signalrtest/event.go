package signalrtest

import (
	"slices"
	"sync"
)

// events is the queue of a client's events that no WaitFor has returned yet. The test bounds the queue.
type events struct {
	mu    sync.Mutex
	queue []Event
	added chan struct{} // closed after the next event; nil: no caller waits
}

func (e *events) add(event Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.queue = append(e.queue, event)
	if e.added != nil {
		close(e.added)
		e.added = nil
	}
}

// take removes and returns the oldest event that want accepts. Without an accepted event, more is
// closed after the next event.
func (e *events) take(want func(Event) bool) (event Event, more <-chan struct{}, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i, event := range e.queue {
		if want == nil || want(event) {
			e.queue = slices.Delete(e.queue, i, i+1)
			return event, nil, true
		}
	}
	if e.added == nil {
		e.added = make(chan struct{})
	}
	return Event{}, e.added, false
}

func (e *events) all() []Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.queue)
}
