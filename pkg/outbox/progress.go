package outbox

import (
	"sync"
	"time"
)

// progress is how far a consumer has caught up with what is published, and when
// it had come so far.
type progress struct {
	mu    sync.Mutex
	types map[string]time.Time // what was published before, of a type, has come
	steps []step               // of all types, the oldest first
}

// step says that at a moment all that was published until an earlier one had
// come.
type step struct{ at, until time.Time }

// CaughtUp is an event.Subscription's: the time for which an event waits for its
// predecessor begins when the inbox has been given all that was published before
// that event came.
func (i *Inbox) CaughtUp(eventType string, until time.Time) {
	i.progress.note(eventType, until, i.router.Types(), i.patience)
}

func (p *progress) note(eventType string, until time.Time, types []string, keep time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.types == nil {
		p.types = make(map[string]time.Time)
	}
	p.types[eventType] = until
	for _, other := range types {
		if p.types[other].Before(until) {
			until = p.types[other]
		}
	}
	if n := len(p.steps); until.IsZero() || n > 0 && !until.After(p.steps[n-1].until) {
		return
	}
	now := time.Now()
	for len(p.steps) > 1 && p.steps[1].at.Before(now.Add(-keep)) {
		p.steps = p.steps[1:]
	}
	p.steps = append(p.steps, step{at: now, until: until})
}

// asOf is how far it had come at a moment; zero: nobody knows.
func (p *progress) asOf(at time.Time) (until time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.steps {
		if s.at.After(at) {
			break
		}
		until = s.until
	}
	return until
}
