package outbox_test

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
	"parley.internal/pkg/outbox"
	"parley.internal/pkg/testenv"
)

// perSecond reports events per second.
func perSecond(b *testing.B, n int) {
	b.Helper()
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(0, "ns/op")
}

// purchases returns the statements of a purchase: an offer, a policy, its first version
// and four covers, and the request.
func purchases(b *testing.B, db *database.DB) func(ctx context.Context, tx *database.Tx, number string) error {
	b.Helper()
	for _, statement := range []string{
		"CREATE TABLE offer (number text PRIMARY KEY, status text NOT NULL)",
		"CREATE TABLE policy (number text PRIMARY KEY, offer text NOT NULL UNIQUE, holder text NOT NULL, agent text NOT NULL, created_at bigint NOT NULL)",
		"CREATE INDEX policy_newest ON policy (created_at, number)",
		"CREATE INDEX policy_of_agent ON policy (agent, created_at, number)",
		"CREATE TABLE version (policy text NOT NULL, number bigint NOT NULL, total bigint NOT NULL, PRIMARY KEY (policy, number))",
		"CREATE TABLE cover (policy text NOT NULL, position bigint NOT NULL, premium bigint NOT NULL, PRIMARY KEY (policy, position))",
		"CREATE TABLE request (id text PRIMARY KEY, created_at bigint NOT NULL, answer text NOT NULL)",
		"CREATE INDEX request_created ON request (created_at)",
	} {
		if _, err := db.Exec(b.Context(), statement); err != nil {
			b.Fatal(err)
		}
	}
	holder := strings.Repeat("x", 200)
	return func(ctx context.Context, tx *database.Tx, number string) error {
		var status string
		now := database.Instant(time.Now())
		if _, err := database.One(ctx, tx, "SELECT status FROM offer WHERE number = $1"+db.Dialect.ForUpdate(),
			[]any{number}, &status); err != nil {
			return err
		}
		var covers int
		if _, err := database.One(ctx, tx, "SELECT count(*) FROM cover WHERE policy = $1", []any{number}, &covers); err != nil {
			return err
		}
		for _, s := range []struct {
			statement string
			args      []any
		}{
			{"INSERT INTO request (id, created_at, answer) VALUES ($1, $2, '')", []any{number, now}},
			{"UPDATE offer SET status = 'bought' WHERE number = $1", []any{number}},
			{"INSERT INTO policy (number, offer, holder, agent, created_at) VALUES ($1, $2, $3, 'jimmy', $4)", []any{number, number, holder, now}},
			{"INSERT INTO version (policy, number, total) VALUES ($1, 1, 3)", []any{number}},
			{"INSERT INTO cover (policy, position, premium) VALUES ($1, 1, 3)", []any{number}},
			{"INSERT INTO cover (policy, position, premium) VALUES ($1, 2, 3)", []any{number}},
			{"INSERT INTO cover (policy, position, premium) VALUES ($1, 3, 3)", []any{number}},
			{"INSERT INTO cover (policy, position, premium) VALUES ($1, 4, 3)", []any{number}},
			{"UPDATE request SET answer = $2 WHERE id = $1", []any{number, holder}},
		} {
			if _, err := tx.ExecContext(ctx, s.statement, s.args...); err != nil {
				return err
			}
		}
		return nil
	}
}

// Purchases with and without an event alternate, so that other load affects both alike.
// Commits are on disk.
func BenchmarkWrite(b *testing.B) {
	for name, url := range map[string]string{
		"PostgreSQL": testenv.StartPostgres(b).URL(),
		"SQLite":     "sqlite:" + filepath.Join(b.TempDir(), "test.db"),
	} {
		db := open(b, url)
		o := outbox.New(db, "test", quiet)
		buy := purchases(b, db)
		b.Run(name, func(b *testing.B) {
			took := [2][]time.Duration{}
			for n := range 2 * b.N {
				number := uuid.NewString()
				if _, err := db.Exec(b.Context(), "INSERT INTO offer VALUES ($1, 'new')", number); err != nil {
					b.Fatal(err)
				}
				begun := time.Now()
				err := db.InTx(b.Context(), func(tx *database.Tx) error {
					if err := buy(b.Context(), tx, number); err != nil || n%2 == 0 {
						return err
					}
					return o.Write(b.Context(), tx, number, sold{Number: strings.Repeat("x", 300)})
				})
				if err != nil {
					b.Fatal(err)
				}
				took[n%2] = append(took[n%2], time.Since(begun))
			}
			without, with := median(took[0]), median(took[1])
			b.ReportMetric(float64(without.Microseconds()), "without-µs")
			b.ReportMetric(float64(with.Microseconds()), "with-µs")
			b.ReportMetric(100*(with.Seconds()/without.Seconds()-1), "%slower")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}

func BenchmarkRelay(b *testing.B) {
	const n = 20_000
	for range b.N {
		b.StopTimer()
		db := open(b, testenv.Postgres(b))
		o := outbox.New(db, "test", quiet)
		fill(b, db, o, n)
		var got atomic.Int64
		done := make(chan struct{})
		r := outbox.NewRelay(o, publisher(func(event.Message) error {
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
