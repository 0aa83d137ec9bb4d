// Package tail follows the streams of the log and pushes their entries to
// subscribers, live.
//
// Promise: subscribers get the entries of each stream in sequence, each once. Entries
// come from commits of this process (Enqueue). Gaps, and entries never enqueued, are read
// from the log once a second. A push is only a hint: the log is the truth, and clients
// read the log after being offline.
//
// A rollback of the log (a restored database, a standby with missing commits) shows in
// the tags of entries. Subscribers are told the rolled back streams, and have their
// clients resync.
package tail

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"parley.internal/chat"
)

// Log reads the database.
type Log interface {
	// Heads lists the heads of all streams with an entry since a time, newest first.
	Heads(ctx context.Context, since time.Time) ([]chat.Head, error)
	// After lists the entries of a stream after a sequence, oldest first.
	After(ctx context.Context, stream string, sequence int64, limit int) ([]chat.Entry, error)
	// RolledBack lists the streams without the entry at their cursor.
	RolledBack(ctx context.Context, cursors chat.Cursors) ([]string, error)
}

// Subscriber gets entries. The functions are called under the tail's lock, sequentially,
// and must not block.
type Subscriber struct {
	Push func(chat.Entry) // the next entry of a stream
	// Resync reports streams with pushed entries missing from the log. May be nil.
	Resync func(streams []string)
}

const (
	queueSize    = 8192 // enqueued entries; a full queue drops more, and a poll finds them in the log
	pollInterval = time.Second
	pollWindow   = 10 * time.Second // a poll looks at streams with an entry within this time
	pollTimeout  = 10 * time.Second
	pageSize     = 500 // entries per read
)

// Tail pushes the entries of all streams. A Tail is safe for concurrent use.
type Tail struct {
	log         Log
	subscribers []Subscriber
	queue       chan chat.Entry
	suspicion   chan struct{} // capacity 1: a stream may have been rolled back

	resyncing sync.Mutex // held during resync

	mu      sync.Mutex
	streams map[string]*stream
	newest  recent
}

// New makes a tail of log. Entries after the present heads are pushed.
func New(ctx context.Context, log Log) (*Tail, error) {
	heads, err := log.Heads(ctx, time.Time{})
	if err != nil {
		return nil, fmt.Errorf("read the heads to tail from: %w", err)
	}
	t := &Tail{
		log: log, queue: make(chan chat.Entry, queueSize), suspicion: make(chan struct{}, 1),
		streams: make(map[string]*stream, len(heads)), newest: recentOf(heads),
	}
	for _, h := range heads {
		t.stream(h.Stream).reset(h.Cursor)
	}
	return t, nil
}

// Subscribe adds a subscriber. Subscribe must be called before Run.
func (t *Tail) Subscribe(s Subscriber) { t.subscribers = append(t.subscribers, s) }

// Enqueue hands over a committed entry, in any order. Enqueue never blocks: a full queue
// drops the entry, and the next poll reads it from the log.
func (t *Tail) Enqueue(e chat.Entry) {
	select {
	case t.queue <- e:
	default:
	}
}

// Run pushes entries until ctx ends.
func (t *Tail) Run(ctx context.Context) error {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case e := <-t.queue:
			t.push(e)
		case <-ticker.C:
			err = t.poll(ctx)
		case <-t.suspicion:
			err = t.resync(ctx)
		}
		if err != nil && ctx.Err() == nil {
			slog.WarnContext(ctx, "tail could not read the log", "error", err)
		}
	}
}

// push pushes entries that are next in their stream, and the entries parked behind them.
func (t *Tail) push(entries ...chat.Entry) {
	var pushed []chat.Entry
	t.mu.Lock()
	for _, e := range entries {
		s := t.stream(e.Stream)
		if s.conflicts(e.Cursor()) {
			t.suspect(s)
		}
		for _, next := range s.accept(e) {
			t.newest.add(next.Stream)
			for _, subscriber := range t.subscribers {
				subscriber.Push(next)
			}
			pushed = append(pushed, next)
		}
	}
	t.mu.Unlock()
	for _, e := range pushed { // Logging is too slow for the lock.
		slog.Info("entry pushed", "stream", e.Stream, "sequence", e.Sequence, "id", e.ID)
	}
}

// stream returns the state of a stream. An unknown stream was made after New: its
// first entry is pushed. The caller holds mu.
func (t *Tail) stream(id string) *stream {
	s, known := t.streams[id]
	if !known {
		s = new(stream)
		s.reset(chat.Cursor{})
		t.streams[id] = s
	}
	return s
}

func (t *Tail) newestStreams() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string{}, t.newest...) // never nil
}

// pushed returns the cursor of the newest pushed entry of a stream.
func (t *Tail) pushed(stream string) chat.Cursor {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.stream(stream).pushed
}

// poll verifies that the newest pushed entries are still in the log, and pushes entries
// never enqueued: commits with an outcome unknown to this process, entries of other
// nodes, entries dropped by a full queue.
func (t *Tail) poll(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	rolledBack, pushed, err := t.rolledBack(ctx, t.newestStreams())
	if err != nil {
		return err
	}
	if len(rolledBack) > 0 {
		return t.resync(ctx)
	}
	t.markVerified(pushed)
	heads, err := t.log.Heads(ctx, time.Now().Add(-pollWindow))
	if err != nil {
		return err
	}
	for _, h := range heads {
		if err := t.fillGap(ctx, h.Stream, h.Sequence); err != nil {
			return err
		}
	}
	return nil
}

// fillGap reads a stream from the log and pushes its entries up to a sequence.
func (t *Tail) fillGap(ctx context.Context, stream string, upTo int64) error {
	for {
		from := t.pushed(stream)
		if from.Sequence >= upTo {
			return nil
		}
		entries, found, err := t.readAfter(ctx, stream, from)
		if err != nil {
			return err
		}
		if !found {
			return t.resync(ctx)
		}
		if len(entries) == 0 || entries[0].Sequence > from.Sequence+1 {
			return fmt.Errorf("gap in the log of %s after %d", stream, from.Sequence)
		}
		t.push(entries...)
	}
}

// readAfter reads a page of the entries after a cursor. The result is not found if the log
// lacks the entry at the cursor.
func (t *Tail) readAfter(ctx context.Context, stream string, from chat.Cursor) (_ []chat.Entry, found bool, _ error) {
	entries, err := t.log.After(ctx, stream, max(0, from.Sequence-1), pageSize)
	switch {
	case err != nil:
		return nil, false, err
	case from.Sequence == 0:
		return entries, true, nil
	case len(entries) == 0 || entries[0].Cursor() != from:
		return nil, false, nil
	default:
		return entries[1:], true, nil
	}
}
