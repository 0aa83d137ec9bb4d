package outbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
	"parley.internal/pkg/retry"
)

const (
	batchEvents     = 2048                  // events per batch, published and settled together
	batchBytes      = 8 << 20               // the approximate size limit of a batch
	stopTimeout     = 3 * time.Second       // publishes and settles batches in flight at a stop; unsettled events are published again
	batchTimeout    = 30 * time.Second      // to publish or to settle a batch
	retryFirst      = 50 * time.Millisecond // the backoff of reads and settlements
	retryLimit      = time.Second
	unroutableRetry = 10 * time.Second   // a queue may be bound meanwhile; well within the consumers' wait for a gap
	rejectedRetry   = 5 * time.Minute    // the broker's limits may be raised meanwhile
	rejectedBatch   = 16                 // a rejected event may cost the transport its channel
	sentRetention   = 7 * 24 * time.Hour // the default of Relay.Retention
	cleanupInterval = time.Minute
	cleanupChunk    = 1000 // rows deleted in a single transaction
)

// Relay publishes the events of an outbox.
//
// Unroutable and rejected events wait apart and are retried from time to time. Nothing
// waits for them here, not even later events of the same partition: consumers restore
// the order and wait for a missing event. An event type that the broker nacks, for
// example because a queue is full, waits in order behind a circuit breaker of its own.
type Relay struct {
	// Retention is how long published events are kept for a replay, 7 days by default.
	Retention time.Duration

	outbox     *Outbox
	publisher  event.Publisher
	unroutable atomic.Int64
	rejected   atomic.Int64
	breakers   breakers
	leader     atomic.Bool
}

// NewRelay returns a relay of o. Among the relays of a database, the leader publishes;
// another relay takes over when the leader ends.
func NewRelay(o *Outbox, p event.Publisher) *Relay {
	return &Relay{outbox: o, publisher: p, breakers: breakers{types: make(map[string]*breaker)}}
}

// Unroutable returns the number of unroutable events as of the last second. The relay
// retries them every ten seconds.
func (r *Relay) Unroutable() int64 { return r.unroutable.Load() }

// Rejected returns the number of rejected events as of the last second. The relay
// retries them every five minutes.
func (r *Relay) Rejected() int64 { return r.rejected.Load() }

// OpenCircuits returns the event types that the broker has nacked several times in a
// row. The relay probes each with a few events, at least every five seconds.
func (r *Relay) OpenCircuits() []string { return r.breakers.open() }

// IsLeader reports whether this relay is the leader.
func (r *Relay) IsLeader() bool { return r.leader.Load() }

// Run publishes until ctx ends: at once after a Write of this process, within 50 ms
// after a Write of another process, and within seconds after a long transaction.
// Errors of the broker and of the database are transient: Run retries for ever. At the
// end, batches in flight are published and settled, for at most three seconds.
func (r *Relay) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		l, err := acquireLease(ctx, r.outbox.db, r.outbox.source)
		if err != nil && ctx.Err() == nil {
			r.outbox.log.WarnContext(ctx, "relay leader election failed", "error", err)
		}
		if l == nil {
			retry.Wait(ctx, electionInterval)
			continue
		}
		r.publishAsLeader(ctx, l)
	}
	return nil
}

// publishAsLeader publishes while the lease lasts.
func (r *Relay) publishAsLeader(ctx context.Context, l lease) {
	r.leader.Store(true)
	r.outbox.log.InfoContext(ctx, "relay became leader")
	r.publishAll(ctx, l)
	r.leader.Store(false)
	r.unroutable.Store(0) // The next leader counts.
	r.rejected.Store(0)
	r.breakers.reset()
	if err := l.release(); err != nil {
		r.outbox.log.WarnContext(ctx, "relay lease not released", "error", err)
	}
}

// publishAll runs the relay's pipeline until the lease is lost or ctx ends: a batch is
// read while the previous batch is published and the batch before that is settled.
func (r *Relay) publishAll(ctx context.Context, l lease) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	finishing, release := retry.WithGrace(ctx, stopTimeout)
	defer release()
	batches := make(chan []event.Message) // Unbuffered: the reader waits for the publisher.
	outcomes := make(chan outcome)
	window := &inFlight{ids: make(map[string]bool)}
	var stages sync.WaitGroup
	defer stages.Wait()
	stages.Go(func() {
		defer close(batches)
		(&reader{Relay: r, window: window, batches: batches, limit: batchEvents}).run(ctx)
	})
	stages.Go(func() {
		defer close(outcomes)
		for batch := range batches {
			// A relay that may have lost its lease must not publish.
			if err := l.renew(ctx, leaseValidity); err == nil {
				outcomes <- r.publish(finishing, batch)
			} else if ctx.Err() == nil {
				r.outbox.log.WarnContext(ctx, "relay lost leadership", "error", err)
				cancel()
			}
		}
	})
	stages.Go(func() {
		retry.Every(ctx, renewInterval, func() {
			if l.renew(ctx, 0) != nil {
				cancel()
			}
		})
	})
	stages.Go(func() { retry.Every(ctx, cleanupInterval, func() { r.cleanup(ctx) }) })
	for o := range outcomes {
		r.settle(finishing, o)
		window.settle(o.ids, o.unavailable)
	}
}

// publish publishes a batch and waits for its confirms. A batch that was begun is
// finished as long as ctx lasts: an interrupted batch would reach consumers twice.
func (r *Relay) publish(ctx context.Context, batch []event.Message) outcome {
	ctx, cancel := context.WithTimeout(ctx, batchTimeout)
	defer cancel()
	var o outcome
	nacked, answered := make(map[string]int), make(map[string]int) // by event type
	var failure error
	for i, err := range r.publisher.Publish(ctx, batch) {
		m := batch[i]
		o.ids = append(o.ids, m.ID)
		switch {
		case err == nil:
			o.sent = append(o.sent, m.ID)
			r.outbox.log.InfoContext(ctx, "event published", "type", m.Type, "id", m.ID)
		case errors.Is(err, event.ErrUnroutable):
			o.unroutable = append(o.unroutable, m.ID)
			r.outbox.log.WarnContext(ctx, "event unroutable", "type", m.Type, "id", m.ID)
		case errors.Is(err, event.ErrRejected):
			o.rejected, o.reasons = append(o.rejected, m.ID), append(o.reasons, database.Text(err.Error()))
			r.outbox.log.ErrorContext(ctx, "event rejected", "type", m.Type, "id", m.ID, "error", err)
		default:
			failure = fmt.Errorf("publish %s %s: %w", m.Type, m.ID, err)
			if errors.Is(err, event.ErrUnavailable) || ctx.Err() != nil { // Publish has waited.
				o.unavailable = true
			} else {
				nacked[m.Type]++
			}
			continue
		}
		answered[m.Type]++
	}
	r.breakers.record(time.Now(), nacked, answered)
	if failure != nil && !errors.Is(ctx.Err(), context.Canceled) {
		r.outbox.log.WarnContext(ctx, "events not published", "error", failure,
			"events", len(batch)-len(o.sent)-len(o.unroutable)-len(o.rejected), "of", len(batch))
	}
	return o
}

// cleanup deletes events that were published before the retention, in chunks with
// pauses: a purchase never waits for a cleanup.
func (r *Relay) cleanup(ctx context.Context) {
	before := database.Instant(time.Now().Add(-cmp.Or(max(r.Retention, 0), sentRetention)))
	err := retry.Chunks(ctx, cleanupChunk, func() (int64, error) {
		return database.Affected(r.outbox.db.Exec(ctx, `
			DELETE FROM outbox_event WHERE id IN (
				SELECT id FROM outbox_event WHERE state = 'sent' AND sent_at < $1 ORDER BY sent_at LIMIT $2)`,
			before, cleanupChunk))
	})
	if err != nil && ctx.Err() == nil {
		r.outbox.log.WarnContext(ctx, "cleanup of published events failed", "error", err)
	}
}
