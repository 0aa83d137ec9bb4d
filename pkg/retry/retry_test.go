package retry_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"parley.internal/pkg/retry"
)

func ExampleExponential() {
	for attempts := range int64(4) {
		fmt.Println(retry.Exponential(time.Second, 3*time.Second, attempts+1))
	}
	// Output:
	// 1s
	// 2s
	// 3s
	// 3s
}

func TestBackoffGrowsToItsLimitWithJitter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := retry.Backoff{First: time.Second, Limit: 3 * time.Second}
		for _, want := range []time.Duration{time.Second, 2 * time.Second, 3 * time.Second, 3 * time.Second} {
			begun := time.Now()
			b.Wait(t.Context())
			if got := time.Since(begun); got < want/2 || got > want+want/2 {
				t.Errorf("waited %s, want about %s", got, want)
			}
		}
		b.Reset()
		begun := time.Now()
		b.Wait(t.Context())
		if got := time.Since(begun); got > 1500*time.Millisecond {
			t.Errorf("waited %s after a reset, want about a second", got)
		}
	})
}

func TestWaitEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begun := time.Now()
		retry.Wait(ctx, time.Hour)
		if got := time.Since(begun); got != time.Second {
			t.Errorf("waited %s, want 1s", got)
		}
	})
}

func TestEveryCallsAtOnceAndAtIntervals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 2500*time.Millisecond)
		defer cancel()
		calls := 0
		retry.Every(ctx, time.Second, func() { calls++ })
		if calls != 3 {
			t.Errorf("got %d calls in 2.5 s, want 3", calls)
		}
	})
}

func TestChunksStopsAtAShortChunkOrAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		for name, tt := range map[string]struct {
			rows []int64
			err  error
			want int
		}{
			"a short chunk": {rows: []int64{10, 10, 3, 10}, want: 3},
			"an error":      {rows: []int64{10, 0}, err: broken, want: 2},
		} {
			calls := 0
			err := retry.Chunks(t.Context(), 10, func() (int64, error) {
				calls++
				if calls == len(tt.rows) {
					return tt.rows[calls-1], tt.err
				}
				return tt.rows[calls-1], nil
			})
			if !errors.Is(err, tt.err) || calls != tt.want {
				t.Errorf("%s: got %d calls, error %v, want %d", name, calls, err, tt.want)
			}
		}
	})
}
