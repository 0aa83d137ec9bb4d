package outbox

import (
	"slices"
	"sync"
	"time"

	"parley.internal/pkg/retry"
)

const (
	probeEvents  = 16                     // events of a probe after a batch without a confirm
	probeGrowth  = 4                      // times as many events after a fully confirmed probe
	openFirst    = 250 * time.Millisecond // an open breaker waits before the next probe,
	openLimit    = 5 * time.Second        // longer each time, up to this
	openReported = 4                      // failed probes in a row until operators see the type: a leader election of the broker is over by then
)

// breakers are circuit breakers, one per event type. The broker nacks a type while a
// queue is full or has lost its majority, perhaps for hours, with any number of events
// waiting, and each attempt delays other types. So the type is published apart, in
// order. Its breaker is
//   - closed (not in the map): the type is published with all others,
//   - open: nothing of the type is published until its next probe,
//   - half-open: a probe of a few events is published, more of them with each success.
//
// breakers is safe for concurrent use.
type breakers struct {
	mu    sync.Mutex
	types map[string]*breaker
}

// breaker is the circuit breaker of an event type that is open or half-open.
type breaker struct {
	probe    int       // events of the next probe
	failures int64     // probes in a row without any confirm
	failed   time.Time // the last nack
	probeAt  time.Time // the next probe; before, the breaker is open
}

// record updates the breakers after a batch: how many events were nacked and how many
// got another answer, by type.
func (b *breakers) record(now time.Time, nacked, answered map[string]int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for name := range nacked {
		if b.types[name] == nil {
			b.types[name] = &breaker{}
		}
		b.types[name].fail(now, answered[name])
	}
	for name := range answered {
		t := b.types[name]
		if t == nil || nacked[name] > 0 {
			continue
		}
		t.probe *= probeGrowth
		t.failures, t.probeAt = 0, now
		if t.probe >= batchEvents {
			delete(b.types, name)
		}
	}
}

// fail opens the breaker after a batch with nacks, of which some events were answered.
func (b *breaker) fail(now time.Time, answered int) {
	b.failures++
	if answered > 0 {
		b.failures = 0
	}
	b.probe, b.failed = max(2*answered, probeEvents), now
	b.probeAt = now.Add(retry.Exponential(openFirst, openLimit, b.failures))
}

// probes returns the types with a breaker, and the size of each probe that is due.
func (b *breakers) probes(now time.Time) (all []string, due map[string]int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	due = make(map[string]int)
	for name, t := range b.types {
		all = append(all, name)
		if !now.Before(t.probeAt) {
			due[name] = t.probe
			t.probeAt = now.Add(openFirst) // Unless record sets another time.
		}
	}
	return all, due
}

// idle closes the breaker of a type without pending events, some time after its last
// nack.
func (b *breakers) idle(now time.Time, name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if t := b.types[name]; t != nil && now.Sub(t.failed) > 2*openLimit {
		delete(b.types, name)
	}
}

// open returns the types whose probes failed several times in a row.
func (b *breakers) open() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var types []string
	for name, t := range b.types {
		if t.failures >= openReported {
			types = append(types, name)
		}
	}
	slices.Sort(types)
	return types
}

// reset closes all breakers when another relay becomes the leader.
func (b *breakers) reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.types)
}
