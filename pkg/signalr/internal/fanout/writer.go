package fanout

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"
)

// maxWriters is the number of writer goroutines of a fan-out: a write needs a processor and nothing
// else.
var maxWriters = runtime.GOMAXPROCS(0)

const (
	batchSize  = 64 << 10  // bytes that a single write to a socket aims for
	joinedSize = 128 << 10 // bytes that a writer joins for a single system call
)

// schedule puts an idle queue on the ready list and starts a writer if there are too few. The caller
// holds mu.
func (f *Fanout) schedule(q *Queue) {
	if q.state != idle {
		return
	}
	q.state = ready
	*f.end, f.end = q, &q.next
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
	for f.ready != nil {
		q := f.ready
		if f.ready, q.next = q.next, nil; f.ready == nil {
			f.end = &f.ready
		}
		q.state = writing
		batch, bytes := q.take(w.batch[:0], batchSize)
		w.batch = batch
		f.mu.Unlock()
		n, err := w.writeSocket(q.socket, batch)
		now := time.Now()
		f.mu.Lock()
		q.wrote(n, now)
		switch {
		case err != nil:
			q.goroutines.Go(func() { q.writeFailed(err) })
		case n < bytes:
			q.state = blocked
			rest := remainder(batch, n)
			q.goroutines.Go(func() { q.writeBlocked(rest) })
		case q.empty():
			q.setIdle()
		default:
			q.state = ready
			*f.end, f.end = q, &q.next
		}
		clear(batch)
	}
	if f.writers--; f.writers == 0 {
		f.idle.Broadcast()
	}
}

// writer is the memory of a writer goroutine.
type writer struct {
	batch  [][]byte
	joined []byte // a batch of several pieces

	call func(fd uintptr) bool // created once: a closure per call would be an allocation per call
	data []byte                // for call
	n    int                   // result of call
	err  error                 // result of call
}

var writers = sync.Pool{New: func() any {
	w := &writer{joined: make([]byte, 0, joinedSize)}
	w.call = func(fd uintptr) bool {
		w.n, w.err = syscall.Write(int(fd), w.data)
		for errors.Is(w.err, syscall.EINTR) {
			w.n, w.err = syscall.Write(int(fd), w.data)
		}
		return true // also when the socket buffer is full: the caller does not wait
	}
	return w
}}

// writeSocket writes as much of a batch as the socket buffer accepts in one system call. A full socket
// buffer is no error; a nil socket accepts nothing.
func (w *writer) writeSocket(socket syscall.RawConn, batch [][]byte) (n int, err error) {
	if socket == nil || len(batch) == 0 {
		return 0, nil
	}
	w.data, w.n, w.err = batch[0], 0, nil
	if len(batch) > 1 {
		w.joined = w.joined[:0]
		for _, piece := range batch {
			if len(w.joined) > 0 && len(w.joined)+len(piece) > cap(w.joined) {
				break
			}
			w.joined = append(w.joined, piece...)
		}
		w.data = w.joined
	}
	err = socket.Write(w.call)
	w.data = nil
	if err == nil && !errors.Is(w.err, syscall.EAGAIN) {
		err = w.err
	}
	if err != nil {
		err = fmt.Errorf("write: %w", err)
	}
	return max(0, w.n), err
}

// remainder returns the bytes of a batch behind the first n, at least one.
func remainder(batch [][]byte, n int) [][]byte {
	for n >= len(batch[0]) {
		n -= len(batch[0])
		batch = batch[1:]
	}
	rest := slices.Clone(batch)
	rest[0] = rest[0][n:]
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
			q.writeFailed(err)
			return
		}
		batch = q.nextBatch()
	}
}

// nextBatch returns the next batch of a blocked queue. An empty batch makes the queue idle.
func (q *Queue) nextBatch() [][]byte {
	q.fanout.mu.Lock()
	defer q.fanout.mu.Unlock()
	batch, bytes := q.take(nil, batchSize)
	if bytes == 0 {
		q.setIdle()
	}
	return batch
}

// writeFailed ends writing after an error.
func (q *Queue) writeFailed(err error) {
	q.fanout.mu.Lock()
	q.discard()
	q.setIdle()
	q.fanout.mu.Unlock()
	q.conn.WriteFailed(err)
}

// setIdle wakes the callers of Flush. The caller holds Fanout.mu.
func (q *Queue) setIdle() {
	q.stopReading()
	q.state = idle
	if q.flushed != nil {
		close(q.flushed)
		q.flushed = nil
	}
}
