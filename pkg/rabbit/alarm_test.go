package rabbit_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"parley.internal/pkg/event"
	"parley.internal/pkg/event/eventtest"
	"parley.internal/pkg/rabbit"
	"parley.internal/pkg/testenv"
)

// TestAMemoryAlarmIsWaitedFor has several publish more than the sockets hold
// while the broker reads nothing. The alarm is shorter than the ten seconds of
// the promise, but longer than any wait in a publisher that would show.
func TestAMemoryAlarmIsWaitedFor(t *testing.T) {
	const alarm, beyond = 5 * time.Second, 2 * time.Second
	broker := testenv.StartRabbitMQ(t)
	r := transport(t, rabbit.Config{URLs: []string{broker.URL()}})
	got, _ := subscribe(t, r, "one", "Told")
	flows(t, r, got)

	broker.MemoryAlarm(true)
	over, stop := context.WithCancel(t.Context())
	defer stop()
	var publishers sync.WaitGroup
	var mu sync.Mutex
	var ended time.Time // of the alarm
	var late time.Duration
	for range 3 {
		publishers.Go(func() {
			for over.Err() == nil {
				batch := make([]event.Message, 200)
				for i := range batch {
					batch[i] = eventtest.Message("Told")
					batch[i].Data = []byte(`"` + strings.Repeat("x", 32<<10) + `"`)
				}
				begun := time.Now()
				r.Publish(over, batch)
				mu.Lock()
				if !ended.IsZero() && begun.Before(ended) {
					late = max(late, time.Since(ended))
				}
				mu.Unlock()
			}
		})
	}
	eventually(t, func() bool { return strings.Contains(strings.Join(r.Degraded(), ";"), "takes no messages") },
		func() any { return r.Degraded() })
	lasts, cancel := context.WithTimeout(t.Context(), alarm)
	defer cancel()
	for ; lasts.Err() == nil; wait(lasts) {
		if len(r.Degraded()) == 0 {
			t.Fatal("it is not degraded in an alarm")
		}
	}
	broker.MemoryAlarm(false)
	mu.Lock()
	ended = time.Now()
	mu.Unlock()
	eventually(t, func() bool { return len(r.Degraded()) == 0 }, func() any { return r.Degraded() })
	if took := time.Since(ended); took > beyond {
		t.Errorf("it took %v to resume", took)
	}
	stop()
	publishers.Wait()
	if late > beyond {
		t.Errorf("publishing was stuck for %v after the alarm", late)
	}
	m := eventtest.Message("Told")
	publish(t, r, m)
	for got.next(t).ID != m.ID {
	}
}
