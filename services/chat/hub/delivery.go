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
	"maps"
	"slices"
	"sync"
	"time"

	"parley.internal/chat"
)

// Log is where Delivery finds what nobody told it of.
type Log interface {
	// Heads is where each stream ends that got an entry since a time, newest first.
	Heads(ctx context.Context, since time.Time) ([]chat.Head, error)
	After(ctx context.Context, stream string, sequence int64, limit int) ([]chat.Entry, error)
	// Lost lists the streams that do not hold what was read of them.
	Lost(ctx context.Context, read chat.Cursors) ([]string, error)
}

const (
	deliveryQueue = 8192             // entries told of and not pushed; more are found in the log
	fillEvery     = time.Second      // how soon a hole is filled
	fillWindow    = 10 * time.Second // how long a stream is looked after
	fillPage      = 500
	fillTimeout   = 10 * time.Second
)

// Delivery brings the entries of each stream into their sequence and pushes
// them: at once when it is told of them, else when it looks. It also notices
// when the log was set back, with whatever was stored there since.
type Delivery struct {
	log    Log
	stored chan chat.Entry
	doubt  chan struct{} // holds one: the log may have been set back

	push    []func(chat.Entry)
	setBack []func(streams []string)

	comparing sync.Mutex // one comparison at a time

	mu      sync.Mutex
	streams map[string]*progress
	newest  recency
}

// NewDelivery pushes what is stored in log from now on.
func NewDelivery(ctx context.Context, log Log) (*Delivery, error) {
	heads, err := log.Heads(ctx, time.Time{})
	if err != nil {
		return nil, fmt.Errorf("find where to begin delivery: %w", err)
	}
	d := &Delivery{
		log: log, stored: make(chan chat.Entry, deliveryQueue), doubt: make(chan struct{}, 1),
		streams: make(map[string]*progress, len(heads)),
	}
	d.begin(heads)
	return d, nil
}

// Listen has push called for each entry, and setBack with the streams that no
// longer hold what was pushed. They are called under a lock and must not wait.
// Listen belongs before Run.
func (d *Delivery) Listen(push func(chat.Entry), setBack func(streams []string)) {
	d.push = append(d.push, push)
	d.setBack = append(d.setBack, setBack)
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
		var err error
		select {
		case <-ctx.Done():
			return nil
		case e := <-d.stored:
			d.deliver(e)
		case <-fill.C:
			err = d.fill(ctx)
		case <-d.doubt:
			err = d.compare(ctx)
		}
		if err != nil && ctx.Err() == nil {
			slog.WarnContext(ctx, "log not compared with what was pushed", "error", err)
		}
	}
}

// begin starts each stream at its head.
func (d *Delivery) begin(heads []chat.Head) {
	d.newest = nil
	for _, h := range slices.Backward(heads) {
		d.stream(h.Stream).begin(h.Cursor)
		d.newest.add(h.Stream)
	}
}

// stream is for callers that hold mu.
func (d *Delivery) stream(id string) *progress {
	p, known := d.streams[id]
	if !known {
		// Made since the start: its first entry is to be pushed.
		p = &progress{held: make(map[int64]chat.Entry)}
		d.streams[id] = p
	}
	return p
}

// deliver pushes entries whose turn it is, and those that they held up.
func (d *Delivery) deliver(entries ...chat.Entry) {
	for _, e := range d.pushAll(entries) {
		slog.Info("entry pushed", "stream", e.Stream, "sequence", e.Sequence, "id", e.ID)
	}
}

func (d *Delivery) pushAll(entries []chat.Entry) (pushed []chat.Entry) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, e := range entries {
		p := d.stream(e.Stream)
		if p.contradicts(e.Cursor()) {
			d.suspect(p)
		}
		for _, next := range p.take(e) {
			d.newest.add(next.Stream)
			for _, push := range d.push {
				push(next)
			}
			pushed = append(pushed, next)
		}
	}
	return pushed
}

// suspect has a stream begin anew. It is for callers that hold mu.
func (d *Delivery) suspect(p *progress) {
	p.other = true
	select {
	case d.doubt <- struct{}{}:
	default:
	}
}

// fill asks the log for what nobody told of: a commit whose process did not
// learn of it, an entry of another node, or a queue that was full.
func (d *Delivery) fill(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, fillTimeout)
	defer cancel()
	pushed, checked := d.read(d.last())
	lost, err := d.lost(ctx, pushed, checked)
	if err != nil {
		return err
	}
	if len(lost) > 0 {
		return d.compare(ctx)
	}
	d.checked(pushed)
	heads, err := d.log.Heads(ctx, time.Now().Add(-fillWindow))
	if err != nil {
		return err
	}
	for _, h := range heads {
		if err := d.fillOne(ctx, h.Stream, h.Sequence); err != nil {
			return err
		}
	}
	return nil
}

// fillOne pushes a stream up to a sequence.
func (d *Delivery) fillOne(ctx context.Context, stream string, upTo int64) error {
	for {
		from := d.pushed(stream)
		if from.Sequence >= upTo {
			return nil
		}
		entries, err := d.follows(ctx, stream, from)
		if err != nil {
			return err
		}
		if entries == nil {
			return d.compare(ctx)
		}
		if len(entries) == 0 || entries[0].Sequence > from.Sequence+1 {
			return fmt.Errorf("the log of %s has a hole after %d", stream, from.Sequence)
		}
		d.deliver(entries...)
	}
}

// follows is what the log holds behind a position, nil if it does not hold that.
func (d *Delivery) follows(ctx context.Context, stream string, from chat.Cursor) ([]chat.Entry, error) {
	entries, err := d.log.After(ctx, stream, max(0, from.Sequence-1), fillPage)
	switch {
	case err != nil:
		return nil, err
	case from.Sequence == 0:
		return append([]chat.Entry{}, entries...), nil
	case len(entries) == 0 || entries[0].Cursor() != from:
		return nil, nil
	default:
		return entries[1:], nil
	}
}

// compare looks whether the log still holds what was pushed. Streams that do
// not begin anew, at their heads.
func (d *Delivery) compare(ctx context.Context) error {
	d.comparing.Lock()
	defer d.comparing.Unlock()
	pushed, checked := d.read(d.all())
	lost, err := d.lost(ctx, pushed, checked)
	if err != nil || len(lost) == 0 {
		return err
	}
	heads, err := d.log.Heads(ctx, time.Time{})
	if err != nil {
		return err
	}
	now := make(chat.Cursors, len(heads))
	for _, h := range heads {
		now[h.Stream] = h.Cursor
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for stream := range lost {
		p := d.stream(stream)
		slog.WarnContext(ctx, "log was set back", "stream", stream, "from", p.pushed.Sequence, "to", now[stream].Sequence)
		p.begin(now[stream])
	}
	d.newest = nil
	for _, h := range slices.Backward(heads) {
		d.newest.add(h.Stream)
	}
	for _, setBack := range d.setBack {
		setBack(slices.Collect(maps.Keys(lost)))
	}
	return nil
}

func (d *Delivery) pushed(stream string) chat.Cursor {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.stream(stream).pushed
}

// all are the streams that have been pushed, or could be.
func (d *Delivery) all() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Collect(maps.Keys(d.streams))
}

// last are those that got the newest entries: a log that holds these was not
// set back.
func (d *Delivery) last() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.newest)
}

// read is what must be in the log: what was pushed last, and what was found
// there last; between the two another log may have taken over.
func (d *Delivery) read(streams []string) (pushed, checked chat.Cursors) {
	d.mu.Lock()
	defer d.mu.Unlock()
	pushed, checked = make(chat.Cursors, len(streams)), make(chat.Cursors, len(streams))
	for _, stream := range streams {
		p := d.stream(stream)
		pushed[stream], checked[stream] = p.pushed, p.checked
	}
	return pushed, checked
}

// checked notes what was found in the log.
func (d *Delivery) checked(found chat.Cursors) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for stream, at := range found {
		d.stream(stream).checked = at
	}
}

// lost are the streams that were set back.
func (d *Delivery) lost(ctx context.Context, cursors ...chat.Cursors) (map[string]bool, error) {
	lost := make(map[string]bool)
	for _, read := range cursors {
		streams, err := d.log.Lost(ctx, read)
		if err != nil {
			return nil, err
		}
		for _, stream := range streams {
			lost[stream] = true
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for stream, p := range d.streams {
		if p.other {
			lost[stream] = true
		}
	}
	return lost, nil
}
