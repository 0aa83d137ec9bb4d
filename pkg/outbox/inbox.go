package outbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
)

// The inbox's patience.
const (
	inboxTimeout   = 30 * time.Second    // for one transaction
	inboxGrace     = 3 * time.Second     // and so long from a stop on
	orderPatience  = 30 * time.Second    // an event waits so long for its predecessor, once the inbox has caught up
	orderMost      = 24 * time.Hour      // and so long if it never does
	retryFirst     = time.Second         // doubled at each attempt
	retryMost      = 10 * time.Minute    //
	retryAttempts  = 12                  // then it is dead: after some 27 minutes
	inboxRetention = 14 * 24 * time.Hour // Inbox.Retention
)

// Inbox makes what a service is told take effect once, in its own database.
// Receive, Run and the methods of an operator are safe for concurrent use.
type Inbox struct {
	// Lanes is how many transactions may handle a batch side by side, each with a
	// connection of its own, if its handlers are slow enough: 16 by default, and 1 on SQLite, which writes one at
	// a time anyway. Handlers that change the same row wait for each other, and
	// may even wait in a circle, until the database ends that: give such a
	// consumer one lane.
	Lanes int

	// Retention is how long an event is remembered as handled, 14 days by
	// default. A copy that comes later takes effect again.
	Retention time.Duration

	db       *database.DB
	consumer string
	router   *event.Router[*database.Tx]
	log      *slog.Logger

	setTime  time.Duration
	patience time.Duration
	timeout  time.Duration
	clock    clock

	counts   counts
	progress progress

	each  atomic.Int64 // nanoseconds that a handler takes, on average; 0: not known yet
	once  sync.Once
	lanes chan struct{} // holds one token for each lane at work
}

// NewInbox is the inbox in db of the service called consumer, which handles
// events with router. A handler's changes must go through db and the context
// it is given, so that they commit together with the fact that it ran.
//
// Messages with a partition key and a sequence are handled in that order: the
// consumer must have a handler for every type that its publisher numbers.
func NewInbox(db *database.DB, consumer string, router *event.Router[*database.Tx], log *slog.Logger) *Inbox {
	return &Inbox{
		db: db, consumer: consumer, router: router, log: log,
		setTime: setTime, patience: orderPatience, timeout: inboxTimeout, clock: clock{local: time.Now},
	}
}

// Subscription is what the inbox is to be told, and how.
func (i *Inbox) Subscription() event.Subscription {
	return event.Subscription{Name: i.consumer, Types: i.router.Types(), Receive: i.Receive, CaughtUp: i.CaughtUp}
}

// Receive handles a batch, and keeps what it cannot handle yet: it returns nil
// when the database has taken responsibility for all of it. An error means that
// the database could not be written, or that ctx has ended: some of it may have
// been taken, and all of it is to come again. When ctx ends, what has been begun
// is committed, which takes three seconds at most.
func (i *Inbox) Receive(ctx context.Context, batch []event.Message) error {
	fresh := make([]event.Message, 0, len(batch))
	seen := make(map[name]bool, len(batch))
	for _, m := range batch {
		m = storable(m)
		i.log.InfoContext(ctx, "event consumed", "type", m.Type, "id", m.ID)
		if m.ID != "" && seen[nameOf(m)] {
			i.counts.again.Add(1)
			i.log.InfoContext(ctx, "event came again", "type", m.Type, "id", m.ID)
			continue
		}
		seen[nameOf(m)] = true
		fresh = append(fresh, m)
	}
	return i.spread(ctx, fresh)
}

// take handles a lane's part of a batch, in transactions of a bounded size: one
// that changes the same row for each event, such as the head of a stream, gets
// slower with each.
func (i *Inbox) take(ctx context.Context, batch []event.Message) error {
	for some := range slices.Chunk(batch, setMost) {
		if err := i.takeSome(ctx, some); err != nil {
			return err
		}
	}
	return nil
}

// takeSome handles messages in one transaction, unless that takes too long.
func (i *Inbox) takeSome(ctx context.Context, batch []event.Message) error {
	for len(batch) > 0 {
		if err := handBack(ctx, len(batch)); err != nil {
			return err
		}
		alone := len(batch) == 1
		s, err := i.transact(ctx, func(ctx context.Context, s *set) error {
			s.alone = alone
			return s.receive(ctx, batch)
		})
		switch {
		case err == nil:
			batch = s.left
		case ctx.Err() != nil || s.failed == nil && !database.IsRefused(err):
			return err
		case alone && s.failed != nil && event.IsPermanent(s.failed.err): // No use in asking again.
			return i.setAside(ctx, s.failed)
		default: // One of them spoiled the transaction for all: find out which.
			for _, m := range batch {
				if err := i.takeAlone(ctx, m, alone && s.failed != nil); err != nil {
					return err
				}
			}
			return nil
		}
	}
	return nil
}

// handBack is the error of what is not begun because ctx has ended.
func handBack(ctx context.Context, n int) error {
	if ctx.Err() == nil {
		return nil
	}
	return fmt.Errorf("hand %d events back: %w", n, context.Cause(ctx))
}

// takeAlone handles a message alone, and parks it if it spoils even its own
// transaction. It may have been tried once.
func (i *Inbox) takeAlone(ctx context.Context, m event.Message, tried bool) error {
	for {
		if err := handBack(ctx, 1); err != nil {
			return err
		}
		s, err := i.transact(ctx, func(ctx context.Context, s *set) error {
			s.tried = tried
			if err := s.boundLocks(ctx); err != nil {
				return err
			}
			return cmp.Or(s.receive(ctx, []event.Message{m}), s.lockedOut())
		})
		if err == nil {
			return nil
		}
		failed := s.failed
		switch {
		case ctx.Err() != nil:
			return err
		case failed == nil && database.IsRefused(err):
			failed = &failure{item: &item{parked: parked{Message: m}}, err: err}
		case failed == nil:
			return err
		}
		own := !failed.item.kept
		if err := i.setAside(ctx, failed); err != nil || own {
			return err
		}
		// It was a successor that m released; m itself is still to be done.
	}
}

// transact gives a set a transaction. A deadlock is nobody's fault.
func (i *Inbox) transact(ctx context.Context, work func(context.Context, *set) error) (*set, error) {
	const tries = 3
	for try := 1; ; try++ {
		s, err := i.transactOnce(ctx, work)
		if !database.IsConflict(err) || try == tries {
			return s, err
		}
	}
}

func (i *Inbox) transactOnce(ctx context.Context, work func(context.Context, *set) error) (*set, error) {
	if err := i.learnOnce(ctx); err != nil {
		return &set{}, err
	}
	s := &set{Inbox: i, places: make(map[place]*partition), stopped: ctx.Done()}
	// A transport that stops must not leave a commit in doubt.
	ctx, end := graced(ctx, inboxGrace)
	defer end()
	ctx, cancel := context.WithTimeout(ctx, i.timeout)
	defer cancel()
	err := i.db.InTx(ctx, func(tx *database.Tx) error {
		s.tx = tx
		return work(ctx, s)
	})
	return s, err
}

// name is what tells an event from others, place what has an order of its own.
// Both are their publisher's: two services may count alike.
type (
	name  struct{ source, id string }
	place struct{ source, key string }
)

func nameOf(m event.Message) name   { return name{m.Source, m.ID} }
func placeOf(m event.Message) place { return place{m.Source, m.PartitionKey} }

// failure is what a handler made of an item.
type failure struct {
	item *item
	err  error
}

func (f *failure) Error() string { return fmt.Sprintf("handle event %s: %v", f.item.ID, f.err) }
func (f *failure) Unwrap() error { return f.err }

func (i *Inbox) retention() time.Duration {
	if i.Retention > 0 {
		return i.Retention
	}
	return inboxRetention
}

var errPanic = errors.New("panic")
