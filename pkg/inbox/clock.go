package inbox

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"parley.internal/pkg/database"
)

// clock tells when parked events are due, by the clock of PostgreSQL: the clocks of a
// consumer's processes may differ by more than an event waits. Processes with the same
// SQLite file share a clock.
type clock struct {
	db     *database.DB
	custom *func() time.Time // Inbox.Now
	system func() time.Time  // time.Now, except in a test
	synced atomic.Bool
	ahead  atomic.Int64 // nanoseconds that the database's clock is ahead of the local clock
}

// syncLimit is how long the database may take to tell its time. A slower answer is too
// imprecise.
const syncLimit = time.Second

// sync measures the difference between the database's clock and the local clock.
func (c *clock) sync(ctx context.Context) error {
	if c.db.Dialect != database.Postgres || *c.custom != nil {
		return nil
	}
	before := c.local()
	var micros int64
	_, err := database.One(ctx, c.db.Reader(), "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS bigint)", nil, &micros)
	if err != nil {
		return fmt.Errorf("read the database's clock: %w", err)
	}
	if took := c.local().Sub(before); took < syncLimit || !c.synced.Load() {
		c.ahead.Store(int64(database.Time(micros).Sub(before.Add(took / 2))))
		c.synced.Store(true)
	}
	return nil
}

// syncOnce calls sync unless the difference is known.
func (c *clock) syncOnce(ctx context.Context) error {
	if c.synced.Load() {
		return nil
	}
	return c.sync(ctx)
}

// local returns the time of this process.
func (c *clock) local() time.Time {
	if *c.custom != nil {
		return (*c.custom)()
	}
	return c.system()
}

// shared converts a time of this process to the database's clock.
func (c *clock) shared(local time.Time) time.Time {
	return local.Add(time.Duration(c.ahead.Load()))
}

// now returns the time of the database's clock.
func (c *clock) now() time.Time { return c.shared(c.local()) }
