package signalrtest

import (
	"slices"
	"sync"
)

// events keeps what happened until someone asks. It is as long as the test
// makes it.
type events struct {
	mu    sync.Mutex
	kept  []Event
	added chan struct{} // closed when one is added
}

func (e *events) add(event Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.kept = append(e.kept, event)
	if e.added != nil {
		close(e.added)
		e.added = nil
	}
}

// take removes and returns the oldest event that want accepts. If there is
// none, more is closed when it is worth asking again.
func (e *events) take(want func(Event) bool) (event Event, more <-chan struct{}, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i, event := range e.kept {
		if want == nil || want(event) {
			e.kept = slices.Delete(e.kept, i, i+1)
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
	return slices.Clone(e.kept)
}
