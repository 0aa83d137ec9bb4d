package inbox

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
	"parley.internal/pkg/inbox/order"
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

// runWorkers handles a batch with parallel workers and waits for all of them.
func (i *Inbox) runWorkers(ctx context.Context, batch []event.Message) error {
	i.once.Do(func() { i.workers = make(chan struct{}, i.workerLimit()) })
	shares := order.Split(batch, i.workersFor(len(batch)))
	if len(shares) == 1 {
		return i.work(ctx, shares[0])
	}
	errs := make([]error, len(shares))
	var wg sync.WaitGroup
	for at, share := range shares {
		wg.Go(func() { errs[at] = i.work(ctx, share) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

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

func (i *Inbox) workerLimit() int {
	switch {
	case i.Workers > 0:
		return i.Workers
	case i.db.Dialect == database.Postgres:
		return postgresWorkers
	default:
		return 1
	}
}
