package rabbit_test

import (
	"context"
	"runtime"
	"strings"
	"testing"

	"parley.internal/pkg/event"
	"parley.internal/pkg/event/eventtest"
	"parley.internal/pkg/rabbit"
	"parley.internal/pkg/testenv"
)

// observer consumes a queue, and records the unacked messages at each batch by the broker's count.
type observer struct {
	t       *testing.T
	url     string
	total   int
	next    int   // the index of the next message
	unacked []int // at each batch
	sizes   []int // of the batches
}

// consume consumes all messages, and verifies their order.
func (o *observer) consume(tr transport) {
	o.t.Helper()
	ch := testenv.Channel(o.t, o.url)
	done := make(chan struct{})
	run(o.t, tr.Subscribe(event.Subscription{
		Name: "one", Types: []string{"Created"},
		Receive: func(_ context.Context, batch []event.Message) error {
			queue, err := ch.QueueDeclarePassive(rabbit.Queue("one", "Created"), true, false, false, false, nil)
			if err != nil {
				return err
			}
			o.unacked = append(o.unacked, o.total-o.next-queue.Messages)
			for _, m := range batch {
				if m.Sequence != int64(o.next+1) {
					o.t.Errorf("got message %d, want %d", m.Sequence, o.next+1)
				}
				o.next++
			}
			o.sizes = append(o.sizes, len(batch))
			if o.next == o.total {
				close(done)
			}
			return nil
		},
	}))
	select {
	case <-done:
	case <-withPatience(o.t).Done():
		o.t.Fatalf("not all of %d messages arrived", o.total)
	}
}

// fill publishes messages of a size.
func (o *observer) fill(tr transport, n, size int) {
	o.t.Helper()
	body := []byte(`"` + strings.Repeat("x", size-2) + `"`)
	var batch []event.Message
	for left := n; left > 0; left-- {
		m := eventtest.Message("Created")
		o.total++
		m.Data, m.PartitionKey, m.Sequence = body, "P", int64(o.total)
		if batch = append(batch, m); len(batch) == 50 || left == 1 {
			publish(o.t, tr, batch...)
			batch = nil
		}
	}
}

func TestLargeMessagesGetLowPrefetch(t *testing.T) {
	for _, queueType := range []string{rabbit.Classic, rabbit.Quorum} {
		t.Run(queueType, func(t *testing.T) {
			o := &observer{t: t, url: testenv.RabbitMQ(t)}
			tr := start(t, rabbit.Config{URLs: o.url, QueueType: queueType, Queues: "one-Created"})
			o.fill(tr, 100, 1<<20)
			o.consume(tr)
			for _, n := range o.unacked {
				if n > 16 {
					t.Fatalf("got %d unacked messages of 1 MB, want at most 16", n)
				}
			}
		})
	}
}

func TestPrefetchFollowsMessageSize(t *testing.T) {
	o := &observer{t: t, url: testenv.RabbitMQ(t)}
	tr := start(t, rabbit.Config{URLs: o.url, Queues: "one-Created"})
	const prefetch = 1024
	o.fill(tr, 3000, 100)
	o.fill(tr, 1500, 128<<10)
	o.fill(tr, 3000, 100)
	o.consume(tr)
	var highest, large, afterwards, at int
	for i, n := range o.unacked {
		highest = max(highest, n)
		if at > 3000+prefetch+100 && at < 4500 { // The deliveries in flight at the growth are handled.
			large = max(large, n)
		}
		if at > 4500 {
			afterwards = max(afterwards, n)
		}
		at += o.sizes[i]
	}
	const sixteenMB = 128
	if highest < 400 || highest > 2*prefetch || afterwards <= sixteenMB {
		t.Errorf("got at most %d unacked small messages, and %d after the large messages", highest, afterwards)
	}
	if large > sixteenMB {
		t.Errorf("got %d unacked large messages, want at most %d", large, sixteenMB)
	}
}

func heapBytes() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// When messages suddenly grow, the broker sends as many large messages as it was allowed to send
// small ones.
func TestByteLimiterBoundsGrowingMessages(t *testing.T) {
	for _, queueType := range []string{rabbit.Classic, rabbit.Quorum} {
		t.Run(queueType, func(t *testing.T) {
			o := &observer{t: t, url: testenv.RabbitMQ(t)}
			tr := start(t, rabbit.Config{URLs: o.url, QueueType: queueType, Queues: "one-Created"})
			const small, large, size = 3000, 300, 1 << 20
			o.fill(tr, small, 100)
			o.fill(tr, large, size)
			before, heap, unacked := heapBytes(), uint64(0), int64(0)
			received, measured, done, seen := 0, false, make(chan struct{}), make(map[int64]bool)
			run(t, tr.Subscribe(event.Subscription{
				Name: "one", Types: []string{"Created"},
				Receive: func(ctx context.Context, batch []event.Message) error {
					for range 100 { // Deliveries in flight arrive meanwhile.
						if measured || len(batch[len(batch)-1].Data) < size {
							break
						}
						shortPause(ctx)
						heap, unacked = max(heap, heapBytes()), max(unacked, tr.consumer.Unacked()[0].Bytes)
					}
					measured = measured || heap > 0
					for _, m := range batch {
						received++
						// A quorum queue may requeue deliveries in flight when the prefetch is
						// reduced, and delivers later messages first.
						if queueType == rabbit.Classic && m.Sequence != int64(received) {
							t.Errorf("got message %d, want %d", m.Sequence, received)
						}
						if seen[m.Sequence] {
							t.Errorf("got message %d twice", m.Sequence)
						}
						seen[m.Sequence] = true
					}
					if received == small+large {
						close(done)
					}
					return nil
				},
			}))
			select {
			case <-done:
			case <-withPatience(t).Done():
				t.Fatalf("not all of %d messages arrived", small+large)
			}
			t.Logf("%d MB unacked, heap grew by %d MB", unacked>>20, (heap-before)>>20)
			if unacked < 16<<20 || unacked > 40<<20 || heap > before+96<<20 {
				t.Errorf("got %d MB unacked and a heap growth of %d MB", unacked>>20, (heap-before)>>20)
			}
		})
	}
}
