package web

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Rate bounds how often each of many, agents or addresses, may do something.
// It is safe for concurrent use.
type Rate struct {
	limit  rate.Limit
	burst  int
	refill time.Duration // after so long without use a limiter has all its burst again

	// Two generations: what was not used in the younger for a refill is full,
	// and is forgotten with the older.
	mu      sync.Mutex
	young   map[string]*rate.Limiter
	old     map[string]*rate.Limiter
	rotated time.Time
}

// maxKeys bounds a generation. Beyond it those who are not known are refused.
const maxKeys = 100_000

// NewRate allows perSecond times a second, and burst at once. 0 a second means
// no bound.
func NewRate(perSecond float64, burst int) *Rate {
	r := &Rate{limit: rate.Limit(perSecond), burst: burst, rotated: time.Now()}
	r.young = make(map[string]*rate.Limiter)
	if perSecond == 0 {
		r.limit = rate.Inf
	} else {
		r.refill = time.Duration(float64(burst) / perSecond * float64(time.Second))
	}
	return r
}

// Allow reports whether key may do it now, and counts it if so.
func (r *Rate) Allow(key string) bool {
	if r.limit == rate.Inf {
		return true
	}
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.rotated) > r.refill {
		r.old, r.young, r.rotated = r.young, make(map[string]*rate.Limiter), now
	}
	limiter := r.young[key]
	if limiter == nil {
		if len(r.young) >= maxKeys {
			return false
		}
		if limiter = r.old[key]; limiter == nil {
			limiter = rate.NewLimiter(r.limit, r.burst)
		}
		r.young[key] = limiter
	}
	return limiter.AllowN(now, 1)
}
