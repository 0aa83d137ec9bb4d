package order

import (
	"sync"
	"time"
)

// Progress records how far a consumer has caught up with the published events, and
// when. The zero Progress is ready and safe for concurrent use.
type Progress struct {
	mu    sync.Mutex
	types map[string]time.Time // by event type: events published before have arrived
	steps []step               // over all types, the oldest first
}

// step says that at a moment all events published before another moment had arrived.
type step struct{ at, until time.Time }

// Record notes at a moment that all events of a type published before until have
// arrived. The consumer has caught up with the least of its types. Steps older than
// keep are dropped.
func (p *Progress) Record(at time.Time, eventType string, until time.Time, types []string, keep time.Duration) {
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
	for len(p.steps) > 1 && p.steps[1].at.Before(at.Add(-keep)) {
		p.steps = p.steps[1:]
	}
	p.steps = append(p.steps, step{at: at, until: until})
}

// AsOf returns how far the consumer had caught up at a moment; zero: unknown.
func (p *Progress) AsOf(at time.Time) (until time.Time) {
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
