package fanout

import (
	"runtime"
	"sync"
	"time"

	"parley.internal/pkg/signalr/internal/transport"
)

// maxWriters is the number of writer goroutines of a fan-out: a write needs a processor and nothing
// else.
var maxWriters = runtime.GOMAXPROCS(0)

// batchSize is the number of bytes that a single write to a socket aims for.
const batchSize = 64 << 10

// readyList is the linked list of queues that wait for a writer, first in, first out.
type readyList struct{ first, last *Queue }

func (l *readyList) push(q *Queue) {
	if l.last == nil {
		l.first = q
	} else {
		l.last.next = q
	}
	l.last = q
}

func (l *readyList) pop() *Queue {
	q := l.first
	if q == nil {
		return nil
	}
	if l.first = q.next; l.first == nil {
		l.last = nil
	}
	q.next = nil
	return q
}

// writer is the memory of a writer goroutine.
type writer struct {
	raw   *transport.RawWriter
	batch [][]byte
}

var writers = sync.Pool{New: func() any { return &writer{raw: transport.NewRawWriter()} }}

// schedule puts an idle queue on the ready list and starts a writer if there are too few. The caller
// holds mu.
func (f *Fanout) schedule(q *Queue) {
	if q.state != idle {
		return
	}
	q.state = ready
	f.ready.push(q)
	if f.writers < maxWriters {
		f.writers++
		go f.write() // Wait waits for the writers
	}
}

// write is a writer goroutine: it serves the ready list until the list is empty.
func (f *Fanout) write() {
	w := writers.Get().(*writer) //nolint:forcetypeassert // the pool contains nothing else
	defer writers.Put(w)
	f.mu.Lock()
	defer f.mu.Unlock()
	for q := f.ready.pop(); q != nil; q = f.ready.pop() {
		q.state = writing
		batch, bytes := q.backlog.take(w.batch[:0], batchSize)
		w.batch = batch
		f.mu.Unlock()
		n, err := w.raw.Write(q.socket, batch)
		now := time.Now()
		f.mu.Lock()
		q.wrote(n, now)
		switch {
		case err != nil:
			q.discard()
			q.goroutines.Go(func() { q.conn.WriteFailed(err) })
			q.setIdle()
		case n < bytes:
			q.state = blocked
			rest := remainder(batch, n)
			q.goroutines.Go(func() { q.writeBlocked(rest) })
		case q.backlog.empty():
			q.setIdle()
		default:
			q.state = ready
			f.ready.push(q)
		}
		clear(batch)
	}
	if f.writers--; f.writers == 0 {
		f.idle.Broadcast()
	}
}

// remainder returns the bytes of a batch behind the first n.
func remainder(batch [][]byte, n int) (rest [][]byte) {
	for _, piece := range batch {
		skip := min(n, len(piece))
		n -= skip
		if skip < len(piece) {
			rest = append(rest, piece[skip:])
		}
	}
	return rest
}

// writeBlocked writes to a client with a full socket buffer: the rest of a batch, and all frames that
// follow meanwhile.
func (q *Queue) writeBlocked(batch [][]byte) {
	wrote := func(bytes int) {
		q.fanout.mu.Lock()
		defer q.fanout.mu.Unlock()
		q.wrote(bytes, time.Now())
	}
	for len(batch) > 0 {
		if err := q.conn.WriteWait(batch, wrote); err != nil {
			q.abort()
			q.conn.WriteFailed(err)
			return
		}
		batch = q.nextBatch()
	}
}

// nextBatch returns the next batch of a blocked queue. An empty batch makes the queue idle.
func (q *Queue) nextBatch() [][]byte {
	q.fanout.mu.Lock()
	defer q.fanout.mu.Unlock()
	batch, bytes := q.backlog.take(nil, batchSize)
	if bytes == 0 {
		q.setIdle()
	}
	return batch
}

// abort ends writing after an error.
func (q *Queue) abort() {
	q.fanout.mu.Lock()
	defer q.fanout.mu.Unlock()
	q.discard()
	q.setIdle()
}

// setIdle wakes the callers of Flush. The caller holds Fanout.mu.
func (q *Queue) setIdle() {
	q.backlog.stopReading()
	q.state = idle
	if q.flushed != nil {
		close(q.flushed)
		q.flushed = nil
	}
}
