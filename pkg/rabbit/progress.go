package rabbit

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"parley.internal/pkg/event"
)

// askEvery is how often the broker is asked how much waits in a queue.
const askEvery = 500 * time.Millisecond

// progress is how far a queue has been worked off.
type progress struct {
	delivered, settled atomic.Int64

	// What follows belongs to who asks.
	mark mark
	idle time.Time // when the last answer came while nothing waited, here or there; zero: something did
}

// mark is a moment that has been caught up with when so much is settled.
type mark struct {
	at      time.Time
	waiting int64 // on the broker then
	target  int64
	landed  bool // what was on its way then has come
}

// watch tells the subscription how far its queues have been worked off, until
// over. An error of the broker's ends it: the queue may be gone.
func (t *Transport) watch(
	over context.Context, ch *amqp.Channel, s event.Subscription, queues []*queue, gate *gate,
) error {
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	shut := int64(0)
	for {
		select {
		case <-over.Done():
			return nil
		case <-tick.C:
		}
		isOpen, before := gate.state()
		arrived := isOpen && before == shut // Nothing was held up on its way since the last look.
		shut = before
		for _, q := range queues {
			if arrived {
				q.progress.land()
			}
			if until := q.progress.reached(); !until.IsZero() {
				s.CaughtUp(q.eventType, until)
			}
			at := time.Now()
			there, err := ch.QueueDeclarePassive(Queue(s.Name, q.eventType), true, false, false, false, nil)
			if err != nil {
				return fmt.Errorf("ask what waits in the queue of %s: %w", q.eventType, err)
			}
			// A quorum queue without a leader answers as if it were empty, and had no
			// consumer.
			if there.Consumers > 0 {
				q.progress.ask(at, int64(there.Messages), q.prefetch.leave.Load())
			}
		}
	}
}

// ask notes that at some moment so many messages waited on the broker. As many
// as it has leave to send may be on their way.
func (p *progress) ask(at time.Time, waiting, leave int64) {
	settled, delivered := p.settled.Load(), p.delivered.Load()
	p.idle = time.Time{}
	if waiting == 0 && settled == delivered {
		p.idle = at
	}
	// The next to be reached. An older one may be further off, if another consumer
	// takes a part.
	if m := (mark{at: at, waiting: waiting, target: delivered + waiting + leave}); p.mark.at.IsZero() || m.target < p.mark.target {
		p.mark = m
	}
}

// land is the look after ask: what was on its way then has come by now, so that
// the mark needs no leave.
func (p *progress) land() {
	if !p.mark.landed {
		p.mark.target, p.mark.landed = min(p.mark.target, p.delivered.Load()+p.mark.waiting), true
	}
}

// reached is the last moment that has been caught up with, or zero if there is no
// new one. What was on its way when the broker was asked has come by now.
func (p *progress) reached() (until time.Time) {
	settled := p.settled.Load()
	if !p.mark.at.IsZero() && settled >= p.mark.target {
		until, p.mark = p.mark.at, mark{}
	}
	if !p.idle.IsZero() && settled == p.delivered.Load() {
		until = p.idle
	}
	return until
}
