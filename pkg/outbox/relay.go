package outbox

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"parley.internal/pkg/database"
	"parley.internal/pkg/event"
)

const (
	relayBatch      = 2048                  // events published in a row, and settled
	relayBytes      = 8 << 20               // and about how much of them
	relayGrace      = 3 * time.Second       // to publish and settle what is in hand, when it stops; what is not settled is published again
	relayRetryFirst = 50 * time.Millisecond // after the transport refused something
	relayRetryMost  = time.Second           //
	relayTimeout    = 30 * time.Second      // for one batch, published or settled
	unroutableRetry = 10 * time.Second      // somebody may have bound a queue; well within orderPatience
	refusedRetry    = 5 * time.Minute       // somebody may have set the broker's limits anew
	refusedBatch    = 16                    // each of them may cost the transport its channel
	sentRetention   = 7 * 24 * time.Hour    // Relay.Retention
	cleanupEvery    = time.Minute           //
	cleanupChunk    = 1000                  // rows deleted in one transaction
)

// Relay publishes what is in an outbox.
//
// What nobody is bound to, and what the transport refuses, is put aside and tried
// again from time to time. Nothing waits for it here, not even what follows it in
// its partition: order is kept by those who are told, and they wait for what is
// missing as long as for anything else.
//
// A type of event that the transport does not take just now waits, in its order,
// apart from the others.
type Relay struct {
	// Retention is how long events are kept after they were published, 7 days by
	// default: so far back they can be published again.
	Retention time.Duration

	outbox     *Outbox
	publisher  event.Publisher
	unroutable atomic.Int64
	refused    atomic.Int64
	nacked     nacked
	leading    atomic.Bool
}

// NewRelay makes a relay of o. Of all that run on a database, one leads and
// publishes; the others take over when it ends.
func NewRelay(o *Outbox, p event.Publisher) *Relay {
	return &Relay{outbox: o, publisher: p}
}

// Unroutable is how many events nobody is bound to, as of the last second. They
// are tried again every ten seconds.
func (r *Relay) Unroutable() int64 { return r.unroutable.Load() }

// Refused is how many events the transport does not take, as of the last second.
// They are tried again every five minutes.
func (r *Relay) Refused() int64 { return r.refused.Load() }

// Nacked are the types of which the transport, which may take others, has taken
// nothing for some seconds. Some of each are tried again every five seconds.
func (r *Relay) Nacked() []string { return r.nacked.told() }

// Leading reports whether it is this relay that publishes.
func (r *Relay) Leading() bool { return r.leading.Load() }

// Run publishes until ctx ends: at once when this process wrote something, very
// soon when another one did, and within seconds what a transaction wrote that
// took long. A transport or a database in trouble is weather: it tries again for
// ever. The batches in hand are finished.
func (r *Relay) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		l, err := r.outbox.lead(ctx)
		if err != nil && ctx.Err() == nil {
			r.outbox.log.WarnContext(ctx, "no leader among relays", "error", err)
		}
		if l == nil {
			wait(ctx, leaderTry)
			continue
		}
		r.leading.Store(true)
		r.outbox.log.InfoContext(ctx, "relay leads")
		r.relay(ctx, l)
		r.leading.Store(false)
		r.unroutable.Store(0) // The next leader counts.
		r.refused.Store(0)
		r.nacked.forget()
		if err := l.release(); err != nil {
			r.outbox.log.WarnContext(ctx, "relay leads no more", "error", err)
		}
	}
	return nil
}

// relay publishes while it leads. A batch is read while the one before is being
// published, and the one before that is being settled.
func (r *Relay) relay(ctx context.Context, l leadership) {
	ctx, end := context.WithCancel(ctx)
	defer end()
	finishing, cancel := graced(ctx, relayGrace)
	defer cancel()
	batches := make(chan []event.Message) // A full pipe has the reader wait.
	results := make(chan result)
	flying := &flight{flying: make(map[string]bool)}
	var stages sync.WaitGroup
	defer stages.Wait()
	stages.Go(func() {
		defer close(batches)
		(&reader{Relay: r, flight: flying, batches: batches}).run(ctx)
	})
	stages.Go(func() {
		defer close(results)
		for batch := range batches {
			// One that cannot be sure that it leads must not publish.
			if err := l.check(ctx); err != nil {
				if ctx.Err() == nil {
					r.outbox.log.WarnContext(ctx, "relay leads no more", "error", err)
				}
				end()
				continue
			}
			results <- r.publish(finishing, batch)
		}
	})
	stages.Go(func() { keepLeading(ctx, end, l) })
	stages.Go(func() {
		repeat(ctx, cleanupEvery, func() {
			if err := r.outbox.cleanup(ctx, time.Now().Add(-r.retention())); err != nil && ctx.Err() == nil {
				r.outbox.log.WarnContext(ctx, "sent events not cleaned up", "error", err)
			}
		})
	})
	for res := range results {
		r.settle(finishing, res)
		flying.land(res.ids, res.away)
	}
}

// result is what became of a batch.
type result struct {
	ids              []string
	sent, unroutable []string
	refused          refusals
	away             bool // the transport is: some of ids, which are in none of the others, are published again at once
}

// refusals are events, and why they were refused.
type refusals struct{ ids, errors []string }

// publish hands a batch over. Once begun, that is finished, if ctx lasts so long:
// stopping in the middle would only have its receivers see it twice.
func (r *Relay) publish(ctx context.Context, batch []event.Message) result {
	publishing, cancel := context.WithTimeout(ctx, relayTimeout)
	defer cancel()
	var res result
	not, answered := make(map[string]int), make(map[string]int) // by type
	var trouble error
	for i, err := range r.publisher.Publish(publishing, batch) {
		m := batch[i]
		res.ids = append(res.ids, m.ID)
		switch {
		case err == nil:
			res.sent = append(res.sent, m.ID)
			answered[m.Type]++
			r.outbox.log.InfoContext(ctx, "event published", "type", m.Type, "id", m.ID)
			continue
		case errors.Is(err, event.ErrUnroutable):
			res.unroutable = append(res.unroutable, m.ID)
			answered[m.Type]++
			r.outbox.log.WarnContext(ctx, "event is unroutable", "type", m.Type, "id", m.ID)
			continue
		case errors.Is(err, event.ErrRefused):
			res.refused.ids, res.refused.errors = append(res.refused.ids, m.ID), append(res.refused.errors, plain(err.Error()))
			answered[m.Type]++
			r.outbox.log.ErrorContext(ctx, "event is refused", "type", m.Type, "id", m.ID, "error", err)
			continue
		case errors.Is(err, event.ErrUnavailable), publishing.Err() != nil: // It has been waited for.
			res.away = true
		default:
			not[m.Type]++
		}
		trouble = fmt.Errorf("publish %s %s: %w", m.Type, m.ID, err)
	}
	r.nacked.note(time.Now(), not, answered)
	if trouble != nil && ctx.Err() == nil {
		r.outbox.log.WarnContext(ctx, "events not relayed", "error", trouble,
			"events", len(batch)-len(res.sent)-len(res.unroutable)-len(res.refused.ids), "of", len(batch))
	}
	return res
}

// graced ends a grace after ctx: it is for work that is finished although ctx
// ends, but only so long.
func graced(ctx context.Context, grace time.Duration) (context.Context, context.CancelFunc) {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		late := time.AfterFunc(grace, cancel)
		context.AfterFunc(work, func() { late.Stop() })
	})
	return work, func() {
		stop()
		cancel()
	}
}

// cleanup forgets what was sent before a time, in chunks. It rests between them,
// so that it never holds up a purchase.
func (o *Outbox) cleanup(ctx context.Context, before time.Time) error {
	err := inChunks(ctx, func() (int64, error) {
		return database.Affected(o.db.Exec(ctx, `
			DELETE FROM outbox_event WHERE id IN (
				SELECT id FROM outbox_event WHERE state = 'sent' AND sent_at < $1 ORDER BY sent_at LIMIT $2)`,
			database.Instant(before), cleanupChunk))
	})
	if err != nil {
		return fmt.Errorf("clean up sent events: %w", err)
	}
	return nil
}

func (r *Relay) retention() time.Duration {
	if r.Retention > 0 {
		return r.Retention
	}
	return sentRetention
}

func wait(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
