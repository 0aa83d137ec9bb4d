package outbox

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
	"parley.internal/pkg/testenv"
)

// perSecond reports what b did as a rate.
func perSecond(b *testing.B, n int) {
	b.Helper()
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(0, "ns/op")
}

// sales are n first events of n policies.
func sales(n int) []event.Message {
	batch := make([]event.Message, n)
	for i := range batch {
		id := uuid.NewString()
		batch[i] = event.Message{
			ID: id, Type: "Sold", Source: "policy", PartitionKey: id, Sequence: 1,
			Time: time.Now(), Data: fmt.Appendf(nil, `{"number":%q}`, id),
		}
	}
	return batch
}

func benchInbox(b *testing.B, in *Inbox, size int) {
	b.Helper()
	var batches [][]event.Message
	for range b.N {
		batches = append(batches, sales(size))
	}
	b.ResetTimer()
	for _, batch := range batches {
		if err := in.Receive(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	perSecond(b, b.N*size)
}

func BenchmarkInboxWithAnEmptyHandler(b *testing.B) {
	for _, size := range []int{256, 512} {
		for _, lanes := range []int{1, 4, 16} {
			b.Run(fmt.Sprintf("batch=%d/lanes=%d", size, lanes), func(b *testing.B) {
				in := handling(b, open(b, testenv.Postgres(b)), func(context.Context, sold) error { return nil })
				in.Lanes = lanes
				benchInbox(b, in, size)
			})
		}
	}
}

func BenchmarkInboxWithAHandlerOf5ms(b *testing.B) {
	for _, lanes := range []int{1, 16} {
		b.Run(fmt.Sprintf("lanes=%d", lanes), func(b *testing.B) {
			in := handling(b, open(b, testenv.Postgres(b)), func(ctx context.Context, _ sold) error {
				wait(ctx, 5*time.Millisecond)
				return nil
			})
			in.Lanes = lanes
			benchInbox(b, in, 256)
		})
	}
}

// The handler writes a row; one in a hundred fails, after that, for good.
func BenchmarkInboxWithPoison(b *testing.B) {
	for _, percent := range []int{0, 1} {
		b.Run(fmt.Sprintf("poison=%d%%", percent), func(b *testing.B) {
			db := open(b, testenv.Postgres(b))
			poison := make(map[string]bool)
			in := handling(b, db, func(ctx context.Context, e sold) error {
				return errors.Join(note(ctx, db, e.Number), poisoned(poison[e.Number]))
			})
			batches := make([][]event.Message, b.N)
			for i := range batches {
				batches[i] = sales(512)
				for j := range 512 * percent / 100 {
					poison[batches[i][(j*97+i)%512].ID] = true
				}
			}
			b.ResetTimer()
			for _, batch := range batches {
				if err := in.Receive(b.Context(), batch); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			perSecond(b, b.N*512)
		})
	}
}

func poisoned(is bool) error {
	if is {
		return errNever
	}
	return nil
}

// What a purchase may be: a few rows read and written.
func BenchmarkWrite(b *testing.B) {
	for _, url := range []func(testing.TB) string{testenv.Postgres, func(tb testing.TB) string {
		tb.Helper()
		return "sqlite:" + filepath.Join(tb.TempDir(), "test.db")
	}} {
		db := open(b, url(b))
		o := New(db, "test", quiet)
		data := sold{Number: strings.Repeat("x", 500)}
		buy := func(with bool, n int) {
			err := db.InTx(b.Context(), func(ctx context.Context, tx *database.Tx) error {
				for range 6 {
					if err := errors.Join(note(ctx, db, "bought"), column0(ctx, tx)); err != nil {
						return err
					}
				}
				if !with {
					return nil
				}
				return o.Write(ctx, tx, fmt.Sprint("P-", n), data)
			})
			if err != nil {
				b.Fatal(err)
			}
		}
		b.Run(strings.SplitN(url(b), ":", 2)[0], func(b *testing.B) {
			var took [2]time.Duration
			for n := range 2 * b.N { // In turn, so that what else this machine does hits both.
				begun := time.Now()
				buy(n%2 == 1, n)
				took[n%2] += time.Since(begun)
			}
			b.ReportMetric(float64(took[0].Microseconds())/float64(b.N), "without-µs")
			b.ReportMetric(float64(took[1].Microseconds())/float64(b.N), "with-µs")
			b.ReportMetric(100*(took[1].Seconds()/took[0].Seconds()-1), "%slower")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func column0(ctx context.Context, tx *database.Tx) error {
	var n int
	_, err := database.One(ctx, tx, "SELECT count(*) FROM outbox_partition WHERE partition_key = 'none'", nil, &n)
	return err
}

func BenchmarkRelay(b *testing.B) {
	const n = 20_000
	for range b.N {
		b.StopTimer()
		db := open(b, testenv.Postgres(b))
		o := New(db, "test", quiet)
		fill(b, o, n)
		var got atomic.Int64
		done := make(chan struct{})
		r := NewRelay(o, publisher(func(event.Message) error {
			if got.Add(1) == n {
				close(done)
			}
			return nil
		}))
		ctx, cancel := context.WithCancel(b.Context())
		var wg sync.WaitGroup
		b.StartTimer()
		wg.Go(func() { _ = r.Run(ctx) })
		<-done
		b.StopTimer()
		cancel()
		wg.Wait()
	}
	perSecond(b, b.N*n)
}
