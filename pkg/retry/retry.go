// Package retry paces loops: waits that a context can end, exponential backoff
// with jitter, work at intervals and work in chunks.
package retry

import (
	"context"
	"math/rand/v2"
	"time"
)

// Wait returns after d, or as soon as ctx ends.
func Wait(ctx context.Context, d time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	<-ctx.Done()
}

// Jitter returns a random duration between a half and one and a half of d, so
// that processes which failed together do not retry together.
func Jitter(d time.Duration) time.Duration {
	return d/2 + rand.N(max(d, 1)) //nolint:gosec // Jitter is no secret.
}

// Exponential returns the delay after a number of failed attempts: first after
// the first attempt, doubled with each attempt, at most limit.
func Exponential(first, limit time.Duration, attempts int64) time.Duration {
	const doublings = 20 // More would overflow.
	return min(first<<min(max(attempts-1, 0), doublings), limit)
}

// Backoff counts failures in a row and waits longer after each. Set First and
// Limit. A Backoff is for a single goroutine.
type Backoff struct {
	First, Limit time.Duration

	attempts int64
}

// Wait counts a failure and waits: First, then twice as long each time, at most
// Limit, plus or minus a half by Jitter. A context that ends stops the wait.
func (b *Backoff) Wait(ctx context.Context) {
	b.attempts++
	Wait(ctx, Jitter(Exponential(b.First, b.Limit, b.attempts)))
}

// Reset forgets the failures after a success.
func (b *Backoff) Reset() { b.attempts = 0 }

// Every calls do at once and then at intervals until ctx ends.
func Every(ctx context.Context, interval time.Duration, do func()) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for ctx.Err() == nil {
		do()
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// Chunks calls do until a call handles fewer rows than size. After each call it
// rests four times as long as the call took: other statements get most of the
// database's time.
func Chunks(ctx context.Context, size int64, do func() (rows int64, err error)) error {
	const rest = 4
	for ctx.Err() == nil {
		begun := time.Now()
		n, err := do()
		if err != nil || n < size {
			return err
		}
		Wait(ctx, rest*time.Since(begun))
	}
	return nil
}

// WithGrace returns a context that ends a while after ctx: for work in progress that a
// stop finishes, but not for longer.
func WithGrace(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		Wait(work, grace)
		cancel()
	})
	return work, func() {
		stop()
		cancel()
	}
}
