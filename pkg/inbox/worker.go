package inbox

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"time"

	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
)

const (
	postgresWorkers = 16
	// A worker needs at least this many events, or this much handler time, to be worth
	// a transaction of its own.
	workerEvents = 8
	workerTime   = 4 * time.Millisecond
)

// batchLimit is how many events a transaction receives. A transaction that changes the
// same row for each event, such as the head of a stream, gets slower with each.
const batchLimit = 64

// work handles a worker's share of a batch, when a worker is free: all calls of Receive
// share the workers, because each worker holds a connection. A panic after the commit
// must not end the process.
func (i *Inbox) work(ctx context.Context, share []event.Message) (err error) {
	select {
	case i.workers <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() {
		<-i.workers
		if p := recover(); p != nil {
			err = fmt.Errorf("receive events: %w: %v\n%s", errPanic, p, debug.Stack())
		}
	}()
	for events := range slices.Chunk(share, batchLimit) {
		if err := i.processBatch(ctx, events); err != nil {
			return err
		}
	}
	return nil
}

var errPanic = errors.New("panic")

// workersFor returns how many workers n events are worth if their handlers are as fast
// as the handlers before. The first events are worth all workers.
func (i *Inbox) workersFor(n int) int {
	i.once.Do(func() {
		limit := i.Workers
		if limit == 0 && i.db.Dialect == database.Postgres {
			limit = postgresWorkers
		}
		i.workers = make(chan struct{}, max(limit, 1))
	})
	workers := min(cap(i.workers), (n+workerEvents-1)/workerEvents)
	if each := i.handlerTime.Load(); each > 0 {
		workers = min(workers, int(time.Duration(each)*time.Duration(n)/workerTime)+1)
	}
	return workers
}

// observe updates the average handler time after n events.
func (i *Inbox) observe(n int, took time.Duration) {
	if n == 0 {
		return
	}
	const weight = 8 // of the average so far
	each, before := int64(took)/int64(n), i.handlerTime.Load()
	if before > 0 {
		each = (before*weight + each) / (weight + 1)
	}
	i.handlerTime.Store(max(each, 1)) // Of two concurrent updates the later wins, which is good enough.
}
