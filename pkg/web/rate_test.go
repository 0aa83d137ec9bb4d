package web_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"parley.internal/pkg/web"
)

func TestRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		allowed := func(r *web.Rate, key string) (n int) {
			for range 100 {
				if r.Allow(key) {
					n++
				}
			}
			return n
		}
		r := web.NewRate(20, 40)
		if a, b := allowed(r, "a"), allowed(r, "b"); a != 40 || b != 40 {
			t.Errorf("at once %d and %d were allowed, want 40 for each", a, b)
		}
		for i := range 20_000 { // So many others do not give anybody a second burst.
			r.Allow(fmt.Sprint(i))
		}
		if n := allowed(r, "a"); n != 0 {
			t.Errorf("%d more were allowed at once", n)
		}
		pass(time.Second)
		if n := allowed(r, "a"); n != 20 {
			t.Errorf("a second later %d were allowed, want 20", n)
		}
		if n := allowed(web.NewRate(0, 0), "a"); n != 100 {
			t.Errorf("without a bound %d were allowed", n)
		}
	})
}

// pass lets time pass on a bubble's clock. Nobody waits for it in earnest.
func pass(d time.Duration) { <-time.After(d) }
