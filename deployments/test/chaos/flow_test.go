package chaos

import (
	"fmt"
	"sync"
	"time"
)

// flow counts handled events and records the pauses between them.
type flow struct {
	mu      sync.Mutex
	handled int
	last    time.Time
	pauses  []pause
}

// pause is a period without a handled event.
type pause struct{ from, to time.Time }

const shortestPause = 50 * time.Millisecond

func (f *flow) add(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.handled > 0 && now.Sub(f.last) > shortestPause {
		f.pauses = append(f.pauses, pause{f.last, now})
	}
	f.handled++
	f.last = now
}

func (f *flow) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.handled
}

// longestPause returns the longest pause that overlaps a period.
func (f *flow) longestPause(from, to time.Time) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	var longest time.Duration
	for _, p := range f.pauses {
		if p.to.After(from) && p.from.Before(to) {
			longest = max(longest, p.to.Sub(p.from))
		}
	}
	return longest
}

func (f *flow) String() string { return fmt.Sprintf("%d handled", f.count()) }
