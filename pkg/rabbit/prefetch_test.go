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

// work is what a consumer has in hand at each batch, as the broker knows it.
type work struct {
	t      *testing.T
	url    string
	many   int
	next   int // the message that comes next
	inHand []int
	sizes  []int
	done   chan struct{}
}

// consume works off what lies in the queue of Told, and looks at each batch.
func (w *work) consume(r *rabbit.Transport) {
	w.t.Helper()
	look := testenv.Channel(w.t, w.url)
	w.done = make(chan struct{})
	begin(w.t, r.Subscribe(event.Subscription{
		Name: "one", Types: []string{"Told"},
		Receive: func(_ context.Context, batch []event.Message) error {
			there, err := look.QueueDeclarePassive(rabbit.Queue("one", "Told"), true, false, false, false, nil)
			if err != nil {
				return err
			}
			w.inHand = append(w.inHand, w.many-w.next-there.Messages)
			for _, m := range batch {
				if m.Sequence != int64(w.next+1) {
					w.t.Errorf("%d came at place %d", m.Sequence, w.next+1)
				}
				w.next++
			}
			w.sizes = append(w.sizes, len(batch))
			if w.next == w.many {
				close(w.done)
			}
			return nil
		},
	}))
	select {
	case <-w.done:
	case <-patient(w.t).Done():
		w.t.Fatalf("%d of %d came", w.next, w.many)
	}
}

// fill publishes messages of a size.
func (w *work) fill(r *rabbit.Transport, many, size int) {
	w.t.Helper()
	body := []byte(`"` + strings.Repeat("x", size-2) + `"`)
	var batch []event.Message
	for left := many; left > 0; left-- {
		m := eventtest.Message("Told")
		w.many++
		m.Data, m.PartitionKey, m.Sequence = body, "P", int64(w.many)
		if batch = append(batch, m); len(batch) == 50 || left == 1 {
			publish(w.t, r, batch...)
			batch = nil
		}
	}
}

func TestLargeMessagesInHandAreFew(t *testing.T) {
	for _, queues := range []rabbit.QueueType{rabbit.Classic, rabbit.Quorum} {
		t.Run(string(queues), func(t *testing.T) {
			w := &work{t: t, url: testenv.RabbitMQ(t)}
			r := transport(t, rabbit.Config{URLs: []string{w.url}, QueueType: queues, Queues: []string{"one-Told"}})
			w.fill(r, 100, 1<<20)
			w.consume(r)
			for _, n := range w.inHand {
				if n > 16 { // of a megabyte each
					t.Fatalf("%d were in hand", n)
				}
			}
		})
	}
}

func TestSmallMessagesInHandAreManyUntilLargeOnesCome(t *testing.T) {
	w := &work{t: t, url: testenv.RabbitMQ(t)}
	r := transport(t, rabbit.Config{URLs: []string{w.url}, Queues: []string{"one-Told"}})
	const prefetch = 1024
	w.fill(r, 3000, 100)
	w.fill(r, 1500, 128<<10)
	w.fill(r, 3000, 100)
	w.consume(r)
	var most, large, again, at int
	for i, n := range w.inHand {
		most = max(most, n)
		if at > 3000+prefetch+100 && at < 4500 { // Those that were on their way have been worked off.
			large = max(large, n)
		}
		if at > 4500 {
			again = max(again, n)
		}
		at += w.sizes[i]
	}
	const sixteenMB = 128
	if most < 400 || most > 2*prefetch || again <= sixteenMB {
		t.Errorf("at most %d small ones were in hand, and after the large ones %d", most, again)
	}
	if large > sixteenMB {
		t.Errorf("%d large ones were in hand", large)
	}
}

// inUse is how many bytes are.
func inUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// The broker sends as many large messages as it was allowed to send small ones,
// before anybody can tell it otherwise.
func TestMessagesThatGrowAllOfASuddenAreReadAFewAtATime(t *testing.T) {
	for _, queues := range []rabbit.QueueType{rabbit.Classic, rabbit.Quorum} {
		t.Run(string(queues), func(t *testing.T) {
			w := &work{t: t, url: testenv.RabbitMQ(t)}
			r := transport(t, rabbit.Config{URLs: []string{w.url}, QueueType: queues, Queues: []string{"one-Told"}})
			const small, large, size = 3000, 300, 1 << 20
			w.fill(r, small, 100)
			w.fill(r, large, size)
			before, most, inHand := inUse(), uint64(0), int64(0)
			got, looked, done := 0, false, make(chan struct{})
			begin(t, r.Subscribe(event.Subscription{
				Name: "one", Types: []string{"Told"},
				Receive: func(ctx context.Context, batch []event.Message) error {
					for range 100 { // Time for what the broker has sent to come.
						if looked || len(batch[len(batch)-1].Data) < size {
							break
						}
						wait(ctx)
						most, inHand = max(most, inUse()), max(inHand, r.InHand()[0].Bytes)
					}
					looked = looked || most > 0
					for _, m := range batch {
						if got++; m.Sequence != int64(got) {
							t.Errorf("%d came at place %d", m.Sequence, got)
						}
					}
					if got == small+large {
						close(done)
					}
					return nil
				},
			}))
			select {
			case <-done:
			case <-patient(t).Done():
				t.Fatal("not all came")
			}
			t.Logf("%d MB were in hand, %d MB in use", inHand>>20, (most-before)>>20)
			if inHand < 16<<20 || inHand > 40<<20 || most > before+96<<20 {
				t.Errorf("%d MB were in hand, and %d MB in use", inHand>>20, (most-before)>>20)
			}
		})
	}
}
