package outbox

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"parley.internal/pkg/database"
)

// clock is the database's, for what several processes compare: when what is
// parked is due. Their own clocks may differ by more than an event waits.
type clock struct {
	local func() time.Time
	known atomic.Bool
	ahead atomic.Int64 // nanoseconds, of the local clock
}

// roughly is how long the database may take to tell its time. What takes longer
// tells it too badly.
const roughly = time.Second

// learn asks the database for its time. The processes that share a file of SQLite
// share a clock, too.
func (i *Inbox) learn(ctx context.Context) error {
	if i.db.Dialect != database.Postgres {
		return nil
	}
	before := i.clock.local()
	var micros int64
	_, err := database.One(ctx, i.db.Reader(), "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)", nil, &micros)
	if err != nil {
		return fmt.Errorf("ask the database for its time: %w", err)
	}
	if took := i.clock.local().Sub(before); took < roughly || !i.clock.known.Load() {
		i.clock.ahead.Store(int64(database.Time(micros).Sub(before.Add(took / 2))))
		i.clock.known.Store(true)
	}
	return nil
}

// learnOnce is learn, unless that was done.
func (i *Inbox) learnOnce(ctx context.Context) error {
	if i.clock.known.Load() {
		return nil
	}
	return i.learn(ctx)
}

// instant is a time of the local clock as the database stores it, by its own.
func (i *Inbox) instant(local time.Time) int64 {
	return database.Instant(local.Add(time.Duration(i.clock.ahead.Load())))
}
