package outbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"

	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
)

const (
	postgresLanes = 16
	laneLeast     = 8 // fewer messages are not worth a transaction of their own
)

// spread handles a batch in lanes, side by side, and waits for all of them.
func (i *Inbox) spread(ctx context.Context, batch []event.Message) error {
	i.once.Do(func() { i.lanes = make(chan struct{}, i.laneCount()) })
	lanes := split(batch, min(cap(i.lanes), (len(batch)+laneLeast-1)/laneLeast))
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
	i.lanes <- struct{}{}
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
