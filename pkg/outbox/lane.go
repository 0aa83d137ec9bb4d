package outbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
)

const (
	postgresLanes = 16
	// Less is not worth a transaction of its own: so few messages, or such a time
	// of their handlers.
	laneLeast = 8
	laneWorth = 4 * time.Millisecond
)

// spread handles a batch in lanes, side by side, and waits for all of them.
func (i *Inbox) spread(ctx context.Context, batch []event.Message) error {
	i.once.Do(func() { i.lanes = make(chan struct{}, i.laneCount()) })
	lanes := split(batch, i.worth(len(batch)))
	if len(lanes) == 1 {
		return i.lane(ctx, lanes[0])
	}
	errs := make([]error, len(lanes))
	var wg sync.WaitGroup
	for at, lane := range lanes {
		wg.Go(func() { errs[at] = i.lane(ctx, lane) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// worth is how many lanes n messages are worth, if they take as long as those
// before them. The first ones are worth all.
func (i *Inbox) worth(n int) int {
	lanes := min(cap(i.lanes), (n+laneLeast-1)/laneLeast)
	if each := i.each.Load(); each > 0 {
		lanes = min(lanes, int(time.Duration(each)*time.Duration(n)/laneWorth)+1)
	}
	return lanes
}

// took notes that n handlers took so long.
func (i *Inbox) took(n int, d time.Duration) {
	if n == 0 {
		return
	}
	const weight = 8 // of what was before
	each, before := int64(d)/int64(n), i.each.Load()
	if before > 0 {
		each = (before*weight + each) / (weight + 1)
	}
	i.each.Store(max(each, 1)) // Of two lanes at once one is not noted, which is as good.
}

func (i *Inbox) laneCount() int {
	switch {
	case i.Lanes > 0:
		return i.Lanes
	case i.db.Dialect == database.Postgres:
		return postgresLanes
	default:
		return 1
	}
}

// lane waits for its turn: all calls of Receive share the lanes, for each of
// them has a connection. A panic after the commit must not end the process.
func (i *Inbox) lane(ctx context.Context, batch []event.Message) (err error) {
	select {
	case i.lanes <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err() //nolint:wrapcheck // It is the caller's own.
	}
	defer func() {
		<-i.lanes
		if p := recover(); p != nil {
			err = fmt.Errorf("receive: %w: %v\n%s", errPanic, p, debug.Stack())
		}
	}()
	return i.take(ctx, batch)
}

// split deals a batch out to at most n lanes: all of a partition to one of them,
// in order, and each to the one that has least to do.
func split(batch []event.Message, n int) [][]event.Message {
	if n < 2 {
		return [][]event.Message{batch}
	}
	var groups [][]event.Message
	at := make(map[place]int)
	for _, m := range batch {
		g, known := at[placeOf(m)]
		if !known || m.PartitionKey == "" {
			g = len(groups)
			groups = append(groups, nil)
			at[placeOf(m)] = g
		}
		groups[g] = append(groups[g], m)
	}
	slices.SortStableFunc(groups, func(a, b []event.Message) int { return cmp.Compare(len(b), len(a)) })
	lanes := make([][]event.Message, min(n, len(groups)))
	for _, group := range groups {
		least := 0
		for l := range lanes {
			if len(lanes[l]) < len(lanes[least]) {
				least = l
			}
		}
		lanes[least] = append(lanes[least], group...)
	}
	return lanes
}
