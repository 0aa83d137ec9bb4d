package rabbit_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"parley.internal/pkg/event"
	"parley.internal/pkg/event/eventtest"
	"parley.internal/pkg/rabbit"
	"parley.internal/pkg/testenv"
)

func TestMemoryAlarmBlocksPublishing(t *testing.T) {
	broker := testenv.StartRabbitMQ(t)
	tr := start(t, rabbit.Config{URLs: broker.URL()})
	in, _ := subscribe(t, tr, "one", "Created")
	roundTrip(t, tr, in)

	broker.MemoryAlarm(true)
	m := eventtest.Message("Created")
	// The broker reports the alarm at the first publish.
	if err := tr.Publish(withPatience(t), []event.Message{m})[0]; err == nil {
		t.Error("got a confirm in a memory alarm")
	}
	if err := tr.Publish(withPatience(t), []event.Message{m})[0]; !errors.Is(err, event.ErrUnavailable) {
		t.Errorf("got %v, want %v", err, event.ErrUnavailable)
	}
	if !tr.degradedBy("blocked by a resource alarm") {
		t.Errorf("got problems %v, want the alarm", tr.Degraded())
	}
	if c := tr.publisher.Connections()[0]; !c.Blocked || c.Up {
		t.Errorf("got connection %+v, want it blocked", c)
	}
	broker.MemoryAlarm(false)
	publish(t, tr, m)
	in.expect(t, m)
}

// Several goroutines publish more than the socket buffers hold while the broker reads nothing. The
// alarm is shorter than the timeouts of the publisher, but longer than any wait in Publish that
// would show.
func TestPublishingResumesAfterMemoryAlarm(t *testing.T) {
	const alarm, limit = 5 * time.Second, 2 * time.Second
	broker := testenv.StartRabbitMQ(t)
	tr := start(t, rabbit.Config{URLs: broker.URL()})
	in, _ := subscribe(t, tr, "one", "Created")
	roundTrip(t, tr, in)

	broker.MemoryAlarm(true)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var publishers sync.WaitGroup
	var mu sync.Mutex
	var ended time.Time // of the alarm
	var late time.Duration
	for range 3 {
		publishers.Go(func() {
			for ctx.Err() == nil {
				batch := messages("Created", 200)
				for i := range batch {
					batch[i].Data = []byte(`"` + strings.Repeat("x", 32<<10) + `"`)
				}
				begun := time.Now()
				tr.Publish(ctx, batch)
				mu.Lock()
				if !ended.IsZero() && begun.Before(ended) {
					late = max(late, time.Since(ended))
				}
				mu.Unlock()
			}
		})
	}
	tr.awaitDegraded(t, "resource alarm")
	lasting, cancel := context.WithTimeout(t.Context(), alarm)
	defer cancel()
	for ; lasting.Err() == nil; shortPause(lasting) {
		if len(tr.Degraded()) == 0 {
			t.Fatal("got no problem during an alarm")
		}
	}
	broker.MemoryAlarm(false)
	mu.Lock()
	ended = time.Now()
	mu.Unlock()
	tr.awaitHealthy(t)
	if took := time.Since(ended); took > limit {
		t.Errorf("publishing resumed after %v, want at most %v", took, limit)
	}
	stop()
	publishers.Wait()
	if late > limit {
		t.Errorf("a call of Publish returned %v after the alarm, want at most %v", late, limit)
	}
	roundTrip(t, tr, in)
}
