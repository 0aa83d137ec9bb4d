package rabbit

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"parley.internal/pkg/event"
	"parley.internal/pkg/retry"
)

// pollEvery is the interval of asking the broker for the length of a queue.
const pollEvery = 500 * time.Millisecond

// caughtUp calculates up to which moment the messages of a queue were handled: the broker reports
// the length of the queue at a moment, and this moment is reached once so many messages were
// handled.
type caughtUp struct {
	delivered, handled atomic.Int64

	// The following fields belong to the watcher.
	target    target
	idleSince time.Time // the last poll without any waiting or unacked message; zero if there was one
}

// target is a moment, reached at a number of handled messages.
type target struct {
	at      time.Time
	waiting int64 // messages on the broker at the moment
	handled int64
	arrived bool // the deliveries in flight at the moment have arrived
}

// poll notes the length of the queue at a moment. Up to prefetch further messages may be in flight.
func (c *caughtUp) poll(at time.Time, waiting, prefetch int64) {
	handled, delivered := c.handled.Load(), c.delivered.Load()
	c.idleSince = time.Time{}
	if waiting == 0 && handled == delivered {
		c.idleSince = at
	}
	// The nearest target counts. An older target may be farther if another consumer takes a share.
	next := target{at: at, waiting: waiting, handled: delivered + waiting + prefetch}
	if c.target.at.IsZero() || next.handled < c.target.handled {
		c.target = next
	}
}

// arrive notes the arrival of the deliveries in flight at the target: the target no longer has to
// include the prefetch.
func (c *caughtUp) arrive() {
	if !c.target.arrived {
		c.target.handled, c.target.arrived = min(c.target.handled, c.delivered.Load()+c.target.waiting), true
	}
}

// reached returns the last moment up to which all messages are handled; zero if there is no new
// moment.
func (c *caughtUp) reached() (until time.Time) {
	handled := c.handled.Load()
	if !c.target.at.IsZero() && handled >= c.target.handled {
		until, c.target = c.target.at, target{}
	}
	if !c.idleSince.IsZero() && handled == c.delivered.Load() {
		until = c.idleSince
	}
	return until
}

// progressWatcher reports to a subscription up to which moment its queues are caught up.
type progressWatcher struct {
	subscription event.Subscription
	queues       []*queueConsumer
	channel      *amqp.Channel
	limiter      *byteLimiter
}

// run polls the queues until running ends. An error of the broker fails the subscription: the queue
// may have been deleted.
func (w *progressWatcher) run(running context.Context, fail context.CancelCauseFunc) {
	lastPauses := int64(0)
	retry.Every(running, pollEvery, func() {
		exceeded, pauses := w.limiter.state()
		arrived := !exceeded && pauses == lastPauses // Nothing paused reading since the last poll.
		lastPauses = pauses
		for _, q := range w.queues {
			if err := w.poll(q, arrived); err != nil {
				fail(err)
				return
			}
		}
	})
}

func (w *progressWatcher) poll(q *queueConsumer, arrived bool) error {
	if arrived {
		q.progress.arrive()
	}
	if until := q.progress.reached(); !until.IsZero() {
		w.subscription.CaughtUp(q.name.eventType, until)
	}
	at := time.Now()
	found, err := w.channel.QueueDeclarePassive(q.name.String(), true, false, false, false, nil)
	if err != nil {
		return fmt.Errorf("poll the length of queue %s: %w", q.name, err)
	}
	// A quorum queue without a leader reports no messages and no consumers.
	if found.Consumers > 0 {
		q.progress.poll(at, int64(found.Messages), q.prefetch.current.Load())
	}
	return nil
}
