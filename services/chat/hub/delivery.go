// Package hub pushes what is stored to the agents' sockets, and takes in what
// they send.
//
// Its promise: each socket is told of a stream's entries in their sequence,
// each once. A push is a hint all the same: the log is the truth, and whoever
// was away reads it there.
package hub

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"parley.internal/chat"
)

// Log is where Delivery finds what nobody told it of.
type Log interface {
	Heads(ctx context.Context, since time.Time) (map[string]int64, error)
	After(ctx context.Context, stream string, sequence int64, limit int) ([]chat.Entry, error)
}

const (
	deliveryQueue = 8192             // entries told of and not pushed; more are found in the log
	deliveryHeld  = 1024             // entries of one stream that came before their predecessor; as above
	fillEvery     = time.Second      // how soon a hole is filled
	fillWindow    = 10 * time.Second // how long a stream is looked after
	fillPage      = 500
	fillTimeout   = 10 * time.Second
)

// Delivery brings the entries of each stream into their sequence and pushes
// them: at once when it is told of them, else when it looks.
type Delivery struct {
	log     Log
	push    func(chat.Entry)
	stored  chan chat.Entry
	streams map[string]*progress // Run's alone
}

// progress is how far a stream has been pushed.
type progress struct {
	pushed int64
	held   map[int64]chat.Entry // behind a hole
}

// NewDelivery pushes what is stored in log from now on.
func NewDelivery(ctx context.Context, log Log, push func(chat.Entry)) (*Delivery, error) {
	heads, err := log.Heads(ctx, time.Time{})
	if err != nil {
		return nil, fmt.Errorf("find where to begin delivery: %w", err)
	}
	d := &Delivery{
		log: log, push: push,
		stored: make(chan chat.Entry, deliveryQueue), streams: make(map[string]*progress, len(heads)),
	}
	for stream, head := range heads {
		d.stream(stream).pushed = head
	}
	return d, nil
}

// Stored tells of an entry that has committed. It never waits.
func (d *Delivery) Stored(e chat.Entry) {
	select {
	case d.stored <- e:
	default:
	}
}

// Run pushes until ctx ends.
func (d *Delivery) Run(ctx context.Context) error {
	fill := time.NewTicker(fillEvery)
	defer fill.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case e := <-d.stored:
			d.deliver(e)
		case <-fill.C:
			if err := d.fill(ctx); err != nil && ctx.Err() == nil {
				slog.WarnContext(ctx, "log not compared with what was pushed", "error", err)
			}
		}
	}
}

func (d *Delivery) stream(id string) *progress {
	p, known := d.streams[id]
	if !known {
		// Made since the start: its first entry is to be pushed.
		p = &progress{held: make(map[int64]chat.Entry)}
		d.streams[id] = p
	}
	return p
}

// deliver pushes an entry whose turn it is, and those that it held up.
func (d *Delivery) deliver(e chat.Entry) {
	p := d.stream(e.Stream)
	if e.Sequence <= p.pushed {
		return
	}
	if e.Sequence > p.pushed+1 && len(p.held) >= deliveryHeld {
		return
	}
	p.held[e.Sequence] = e
	for {
		next, here := p.held[p.pushed+1]
		if !here {
			return
		}
		delete(p.held, next.Sequence)
		p.pushed = next.Sequence
		d.push(next)
		slog.Info("entry pushed", "stream", next.Stream, "sequence", next.Sequence, "id", next.ID)
	}
}

// fill asks the log for what nobody told of: a commit whose process did not
// learn of it, an entry of another node, or a queue that was full.
func (d *Delivery) fill(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, fillTimeout)
	defer cancel()
	heads, err := d.log.Heads(ctx, time.Now().Add(-fillWindow))
	if err != nil {
		return err
	}
	for stream, head := range heads {
		if err := d.fillOne(ctx, stream, head); err != nil {
			return err
		}
	}
	return nil
}

func (d *Delivery) fillOne(ctx context.Context, stream string, head int64) error {
	p := d.stream(stream)
	if head < p.pushed {
		// The log was set back: what is stored there from now on is new.
		slog.WarnContext(ctx, "log was set back", "stream", stream, "from", p.pushed, "to", head)
		p.pushed = head
		clear(p.held)
	}
	for p.pushed < head {
		before := p.pushed
		entries, err := d.log.After(ctx, stream, p.pushed, fillPage)
		if err != nil {
			return err
		}
		for _, e := range entries {
			d.deliver(e)
		}
		if p.pushed == before {
			return fmt.Errorf("the log of %s has a hole after %d", stream, before)
		}
	}
	return nil
}
