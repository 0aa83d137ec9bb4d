// Package inbox receives the events of other services: each event takes effect once in
// the consumer's own database.
//
// A batch of events is handled in one transaction: the inbox deduplicates the events by
// their ids, puts them in the order of their partition keys (see package order), calls
// the handlers and records the events as handled. A crash before the commit undoes all
// of it, and the transport delivers the batch again; after the commit a duplicate is
// ignored.
//
// A failed handler harms no other event: handlers run under savepoints, and a failing
// event is isolated by bisection. The event is parked and retried with exponential
// backoff, 12 attempts in about 27 minutes; then it becomes a dead letter, and an operator
// may replay it. A permanent error (event.Permanent) makes a dead letter at once. A lock timeout is
// transient and not counted as an attempt.
package inbox

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
	"parley.internal/pkg/inbox/order"
	"parley.internal/pkg/retry"
)

//go:embed migrations
var migrations embed.FS

// Migrate creates the tables of Inbox in db.
func Migrate(ctx context.Context, db *database.DB) error {
	return database.Migrate(ctx, db, "inbox", migrations)
}

const (
	defaultTimeout    = 30 * time.Second    // of a transaction
	defaultBatchTime  = 5 * time.Second     // then a batch is committed with the events handled so far
	defaultGapTimeout = 30 * time.Second    // for the predecessor of an event, after the inbox has caught up
	defaultRetention  = 14 * 24 * time.Hour // of ids
	gapLimit          = 24 * time.Hour      // for a predecessor if the inbox never catches up
	stopTimeout       = 3 * time.Second     // for transactions in progress at a stop
	dueInterval       = 250 * time.Millisecond
	cleanupInterval   = time.Minute
	cleanupChunk      = 1000 // rows deleted in a single transaction
)

// Inbox handles the events of a consumer. Set its fields before the first call. All
// methods are safe for concurrent use.
type Inbox struct {
	// Workers is how many transactions may handle a batch in parallel, each with a
	// connection of its own, if the handlers are slow enough. The default is 16, and 1
	// on SQLite, which has a single writer anyway. Handlers that change the same row
	// wait for each other and may deadlock until the database ends the deadlock: give
	// such a consumer a single worker.
	Workers int

	// Retention is how long ids are kept for deduplication, 14 days by default. A
	// later duplicate takes effect again.
	Retention time.Duration

	// Timeout limits a transaction, 30 seconds by default: a handler that takes longer
	// has failed. A third of the timeout limits the wait for a lock after a failure.
	Timeout time.Duration

	// BatchTime is when a batch is committed with the events handled so far, 5 seconds
	// by default: slow handlers must not run into the timeout together.
	BatchTime time.Duration

	// GapTimeout is how long an event waits for its missing predecessor after the
	// inbox has caught up, 30 seconds by default.
	GapTimeout time.Duration

	// Now is the clock by which parked events become due. The default is the
	// database's clock, which all processes of a consumer share.
	Now func() time.Time

	db       *database.DB
	consumer string
	router   *event.Router[*database.Tx]
	log      *slog.Logger
	clock    clock
	counters counters
	progress order.Progress

	handlerTime atomic.Int64 // nanoseconds per event, on average; 0: unknown
	once        sync.Once
	workers     chan struct{} // holds a token for each busy worker
}

// New returns the inbox in db of a consumer. The handlers of router change rows through
// their transaction argument: the changes commit together with the event's id.
//
// Messages with a partition key and a sequence are handled in order: the consumer needs
// a handler for every event type that its publisher numbers.
func New(db *database.DB, consumer string, router *event.Router[*database.Tx], log *slog.Logger) *Inbox {
	i := &Inbox{db: db, consumer: consumer, router: router, log: log}
	i.clock = clock{db: db, custom: &i.Now, system: time.Now}
	return i
}

// Subscription returns the subscription that feeds the inbox.
func (i *Inbox) Subscription() event.Subscription {
	return event.Subscription{Name: i.consumer, Types: i.router.Types(), Receive: i.Receive, CaughtUp: i.CaughtUp}
}

// Receive handles a batch and parks events without their predecessors. A nil error means:
// the database has taken responsibility for the whole batch. An error means: the database
// is unavailable or ctx has ended, a part of the batch may be handled, and the transport
// must deliver the whole batch again. When ctx ends, transactions in
// progress are committed within three seconds.
func (i *Inbox) Receive(ctx context.Context, batch []event.Message) error {
	fresh := make([]event.Message, 0, len(batch))
	seen := make(map[eventKey]bool, len(batch))
	for _, m := range batch {
		m = sanitize(m)
		i.log.InfoContext(ctx, "event consumed", "type", m.Type, "id", m.ID)
		if m.ID != "" && seen[keyOf(m)] {
			i.countDuplicate(ctx, m)
			continue
		}
		seen[keyOf(m)] = true
		fresh = append(fresh, m)
	}
	shares := order.Split(fresh, i.workersFor(len(fresh)))
	errs := make([]error, len(shares))
	var wg sync.WaitGroup
	for worker, share := range shares {
		wg.Go(func() { errs[worker] = i.work(ctx, share) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// CaughtUp implements the callback of event.Subscription: an event waits for its
// predecessor from the moment when the inbox has received all events that were
// published before the arrival of the event.
func (i *Inbox) CaughtUp(eventType string, until time.Time) {
	i.progress.Record(i.clock.local(), eventType, until, i.router.Types(), i.gapTimeout())
}

// Run handles parked events when they are due and deletes old ids until ctx ends.
func (i *Inbox) Run(ctx context.Context) error {
	var cleaning sync.WaitGroup
	defer cleaning.Wait()
	cleaning.Go(func() {
		retry.Every(ctx, cleanupInterval, func() {
			if err := deleteIDs(ctx, i.db, i.consumer, time.Now().Add(-i.retention())); err != nil && ctx.Err() == nil {
				i.log.WarnContext(ctx, "cleanup of deduplication ids failed", "error", err)
			}
		})
	})
	retry.Every(ctx, dueInterval, func() {
		if err := i.ProcessDue(ctx); err != nil && ctx.Err() == nil {
			i.log.WarnContext(ctx, "handling parked events failed", "error", err)
		}
	})
	return nil
}

func (i *Inbox) retention() time.Duration  { return cmp.Or(max(i.Retention, 0), defaultRetention) }
func (i *Inbox) timeout() time.Duration    { return cmp.Or(max(i.Timeout, 0), defaultTimeout) }
func (i *Inbox) batchTime() time.Duration  { return cmp.Or(max(i.BatchTime, 0), defaultBatchTime) }
func (i *Inbox) gapTimeout() time.Duration { return cmp.Or(max(i.GapTimeout, 0), defaultGapTimeout) }
