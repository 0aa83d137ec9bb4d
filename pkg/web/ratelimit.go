package web

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// RateLimiter limits how often each key, such as an agent or an address, may do
// something. Each key has a token bucket. It is safe for concurrent use.
type RateLimiter struct {
	limit  rate.Limit
	burst  int
	refill time.Duration // an unused bucket is full again after this time

	// Buckets live in two generations. A bucket unused during one refill period
	// is full, so it may be dropped with the older generation.
	mu      sync.Mutex
	young   map[string]*rate.Limiter
	old     map[string]*rate.Limiter
	rotated time.Time
}

// maxKeys bounds a generation. When it is full, unknown keys are refused.
const maxKeys = 100_000

// NewRateLimiter allows perSecond calls per second and key, and bursts of burst
// calls. A perSecond of 0 disables the limit.
func NewRateLimiter(perSecond float64, burst int) *RateLimiter {
	r := &RateLimiter{limit: rate.Limit(perSecond), burst: burst, rotated: time.Now()}
	r.young = make(map[string]*rate.Limiter)
	if perSecond == 0 {
		r.limit = rate.Inf
	} else {
		r.refill = time.Duration(float64(burst) / perSecond * float64(time.Second))
	}
	return r
}

// Allow reports whether key is within its limit now, and counts the call if so.
func (r *RateLimiter) Allow(key string) bool {
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
