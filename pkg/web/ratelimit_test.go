package web_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"parley.internal/pkg/web"
)

func TestRateLimiterRefillsPerKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		allowed := func(r *web.RateLimiter, key string) (n int) {
			for range 100 {
				if r.Allow(key) {
					n++
				}
			}
			return n
		}
		r := web.NewRateLimiter(20, 40)
		if a, b := allowed(r, "a"), allowed(r, "b"); a != 40 || b != 40 {
			t.Errorf("allowed bursts of %d and %d, want 40 each", a, b)
		}
		for i := range 20_000 { // Many other keys must not reset the bucket of a.
			r.Allow(fmt.Sprint(i))
		}
		if n := allowed(r, "a"); n != 0 {
			t.Errorf("allowed %d more at once, want 0", n)
		}
		<-time.After(time.Second) // on the bubble's clock
		if n := allowed(r, "a"); n != 20 {
			t.Errorf("allowed %d after 1 s, want 20", n)
		}
		if n := allowed(web.NewRateLimiter(0, 0), "a"); n != 100 {
			t.Errorf("allowed %d without a limit, want 100", n)
		}
	})
}
