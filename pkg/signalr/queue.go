package signalr

import "sync"

// queue holds the records that wait for one client, at most limit bytes with
// those just being written. A record that finds it full empties and seals it:
// the client has lost its place, and the connection has to end. A record alone
// always fits, whatever its size.
type queue struct {
	limit int
	wake  chan struct{} // holds one: there may be something to do for the writer

	mu      sync.Mutex
	waiting [][]byte
	bytes   int
	sealed  bool
}

func newQueue(limit int) queue {
	return queue{limit: limit, wake: make(chan struct{}, 1)}
}

// put appends a record; false says that the queue was full. A sealed queue
// takes everything and keeps nothing.
func (q *queue) put(record []byte) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.append(record, q.limit) {
		q.waiting, q.sealed = nil, true
		return false
	}
	return true
}

// offer is put that changes nothing when there would be more than limit bytes.
func (q *queue) offer(record []byte, limit int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.append(record, min(limit, q.limit))
}

// append says whether the record fits. The caller holds mu.
func (q *queue) append(record []byte, limit int) bool {
	if q.sealed {
		return true
	}
	if q.bytes > 0 && q.bytes+len(record) > limit {
		return false
	}
	q.waiting = append(q.waiting, record)
	q.bytes += len(record)
	q.nudge()
	return true
}

// take returns the first records of up to size bytes, at least one if any wait.
// They count until written is called with their size.
func (q *queue) take(size int) (batch [][]byte, bytes int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := 0
	for n < len(q.waiting) && (n == 0 || bytes+len(q.waiting[n]) <= size) {
		bytes += len(q.waiting[n])
		n++
	}
	batch, q.waiting = q.waiting[:n:n], q.waiting[n:]
	if len(q.waiting) == 0 {
		q.waiting = nil
	}
	return batch, bytes
}

func (q *queue) written(bytes int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.bytes -= bytes
}

// seal takes no more records; those that wait may still be taken.
func (q *queue) seal() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.sealed = true
}

// drop seals the queue and forgets what waits.
func (q *queue) drop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting, q.sealed = nil, true
}

func (q *queue) nudge() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}
