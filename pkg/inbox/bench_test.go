package inbox_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
	"parley.internal/pkg/retry"
	"parley.internal/pkg/testenv"
)

// perSecond reports the events handled by b as a rate.
func perSecond(b *testing.B, n int) {
	b.Helper()
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(0, "ns/op")
}

func benchInbox(b *testing.B, in *receiver, size int) {
	b.Helper()
	var batches [][]event.Message
	for range b.N {
		batches = append(batches, sales(size))
	}
	if err := in.Receive(b.Context(), sales(size)); err != nil { // Opens the connections.
		b.Fatal(err)
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
		for _, workers := range []int{1, 4, 16} {
			b.Run(fmt.Sprintf("batch=%d/workers=%d", size, workers), func(b *testing.B) {
				in := handling(b, open(b, testenv.Postgres(b)), func(context.Context, *database.Tx, sold) error { return nil })
				in.Workers = workers
				benchInbox(b, in, size)
			})
		}
	}
}

func BenchmarkInboxWithAHandlerOf5ms(b *testing.B) {
	for _, workers := range []int{1, 16} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			in := handling(b, open(b, testenv.Postgres(b)), func(ctx context.Context, tx *database.Tx, _ sold) error {
				retry.Wait(ctx, 5*time.Millisecond)
				return nil
			})
			in.Workers = workers
			benchInbox(b, in, 256)
		})
	}
}

// Like the handler of chat, which appends to a stream: all transactions change the same
// row and wait for each other.
func BenchmarkInboxWithARowThatAllChange(b *testing.B) {
	for _, workers := range []int{1, 4, 16} {
		b.Run(fmt.Sprintf("workers=%d", workers), func(b *testing.B) {
			db := open(b, testenv.Postgres(b))
			for _, statement := range []string{
				"CREATE TABLE stream (id text PRIMARY KEY, head bigint NOT NULL)",
				"INSERT INTO stream VALUES ('company', 0)",
			} {
				if _, err := db.Exec(b.Context(), statement); err != nil {
					b.Fatal(err)
				}
			}
			in := handling(b, db, func(ctx context.Context, tx *database.Tx, e sold) error {
				var head int64
				_, err := database.One(ctx, tx, "SELECT head FROM stream WHERE id = 'company' FOR UPDATE", nil, &head)
				if err == nil {
					_, err = tx.ExecContext(ctx, "UPDATE stream SET head = $1 WHERE id = 'company'", head+1)
				}
				return errors.Join(err, record(ctx, tx, e.Number))
			})
			in.Workers = workers
			benchInbox(b, in, 512)
		})
	}
}

// The handler writes a row. In every second batch, one event in a hundred then fails
// permanently.
func BenchmarkInboxWithPoison(b *testing.B) {
	const size = 512
	db := open(b, testenv.Postgres(b))
	var poison sync.Map
	in := handling(b, db, func(ctx context.Context, tx *database.Tx, e sold) error {
		_, is := poison.Load(e.Number)
		return errors.Join(record(ctx, tx, e.Number), poisoned(is))
	})
	took := [2][]time.Duration{}
	for n := range 2*b.N + 4 {
		batch := sales(size)
		for at := range size * (n % 2) / 100 {
			poison.Store(batch[(at*97+n)%size].ID, true)
		}
		begun := time.Now()
		if err := in.Receive(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
		if n >= 4 { // The first batches warm up.
			took[n%2] = append(took[n%2], time.Since(begun))
		}
	}
	without, with := median(took[0]), median(took[1])
	b.ReportMetric(size/without.Seconds(), "events/s")
	b.ReportMetric(size/with.Seconds(), "events/s-1%poison")
	b.ReportMetric(100*(1-without.Seconds()/with.Seconds()), "%less")
	b.ReportMetric(0, "ns/op")
}

func poisoned(is bool) error {
	if is {
		return errPermanent
	}
	return nil
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}
