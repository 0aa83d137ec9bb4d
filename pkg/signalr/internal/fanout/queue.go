package fanout

import (
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"parley.internal/pkg/signalr/internal/wire"
)

// Connection is the owner of a Queue. The fan-out calls both methods on a goroutine of the queue,
// without holding a lock.
type Connection interface {
	// WriteWait writes a batch, waits until the client has read enough for the socket buffer to
	// accept all of the batch, and reports the accepted bytes to wrote as it goes.
	WriteWait(batch [][]byte, wrote func(bytes int)) error
	// WriteFailed reports the error of a write. The queue is sealed and empty.
	WriteFailed(err error)
}

// Queue is the send queue of a connection: its memberships, its frames and the state of writing. The
// frames of the connection's own precede the unread frames of at most one frame log. When a frame from
// elsewhere follows, the unread frames of the log become frames of the queue: everything is delivered in
// the order of sending.
type Queue struct {
	fanout *Fanout
	conn   Connection
	socket syscall.RawConn // nil: only Connection.WriteWait writes
	format wire.Format

	lastWrite atomic.Int64 // nanoseconds since the start of the fan-out

	goroutines sync.WaitGroup // that write and wait, or report a failed write

	// Guarded by Fanout.mu.
	memberships []*member // empty before Admit and after Remove
	frames      [][]byte
	bytes       int     // of frames, and of the batch being written; unused once the queue is sealed
	reading     *member // of the log being read; nil: none
	offset      offset  // in that log
	next        *Queue  // in the ready list
	state       writeState
	sealed      bool // accepts no more frames
	excluded    bool // from the current broadcast

	room    chan struct{} // closed after the next write; nil: no caller waits
	flushed chan struct{} // closed when the queue is idle; nil: no caller waits
}

// writeState names the goroutine that writes to the client.
type writeState uint8

const (
	idle    writeState = iota // the queue is empty
	ready                     // the next free writer
	writing                   // a writer
	blocked                   // a goroutine of the queue, which waits for the client to read
)

// Init prepares the queue of a new connection. socket may be nil.
func (q *Queue) Init(f *Fanout, conn Connection) {
	q.fanout, q.conn = f, conn
}

// SetSocket enables writes without waiting. It must be called before the first frame.
func (q *Queue) SetSocket(socket syscall.RawConn) { q.socket = socket }

// LastWrite returns the time of the last successful write, or of Admit.
func (q *Queue) LastWrite() time.Time { return q.fanout.started.Add(time.Duration(q.lastWrite.Load())) }

func (q *Queue) setLastWrite(now time.Time) { q.lastWrite.Store(int64(now.Sub(q.fanout.started))) }

// Admit makes the connection a receiver of broadcasts to all and to its user, behind a first frame.
func (q *Queue) Admit(format wire.Format, user string, first []byte) {
	q.fanout.mu.Lock()
	defer q.fanout.mu.Unlock()
	q.format = format
	q.setLastWrite(time.Now())
	q.put(first)
	q.fanout.connections[format].Add(1)
	q.join(All, "")
	if user != "" {
		q.join(User, user)
	}
}

// Remove ends all memberships.
func (q *Queue) Remove() {
	q.fanout.mu.Lock()
	defer q.fanout.mu.Unlock()
	if len(q.memberships) > 0 {
		q.fanout.connections[q.format].Add(-1)
	}
	for len(q.memberships) > 0 {
		q.leave(q.memberships[len(q.memberships)-1].log)
	}
}

// Join adds the connection to a group, unless the connection has been removed.
func (q *Queue) Join(group string) {
	q.fanout.mu.Lock()
	defer q.fanout.mu.Unlock()
	if len(q.memberships) > 0 {
		q.join(Group, group)
	}
}

// Leave removes the connection from a group.
func (q *Queue) Leave(group string) {
	q.fanout.mu.Lock()
	defer q.fanout.mu.Unlock()
	q.leave(q.fanout.logs[logKey{Group, group, q.format}])
}

// Send appends a frame. It returns false if the client lags: the queue is then sealed and empty.
func (q *Queue) Send(frame []byte) bool {
	q.fanout.mu.Lock()
	defer q.fanout.mu.Unlock()
	if q.offer(frame, q.fanout.limit) {
		return true
	}
	q.discard()
	return false
}

// Offer appends a frame unless more than limit bytes would wait.
func (q *Queue) Offer(frame []byte, limit int) bool {
	q.fanout.mu.Lock()
	defer q.fanout.mu.Unlock()
	return q.offer(frame, min(limit, q.fanout.limit))
}

// OfferOrWait appends a frame like Offer. Otherwise room is closed when there may be room, and nil if the
// queue is sealed.
func (q *Queue) OfferOrWait(frame []byte, limit int) (room <-chan struct{}, accepted bool) {
	q.fanout.mu.Lock()
	defer q.fanout.mu.Unlock()
	if q.sealed {
		return nil, false
	}
	if q.offer(frame, min(limit, q.fanout.limit)) {
		return nil, true
	}
	if q.room == nil {
		q.room = make(chan struct{})
	}
	return q.room, false
}

// Seal appends last frames, without a limit, and accepts no more frames. All waiting frames are still
// delivered.
func (q *Queue) Seal(last ...[]byte) {
	q.fanout.mu.Lock()
	defer q.fanout.mu.Unlock()
	q.stopReading()
	q.sealed = true
	for _, frame := range last {
		q.put(frame)
	}
}

// Discard drops the waiting frames, appends last frames and accepts no more frames, unless the queue is
// sealed: earlier last frames stay.
func (q *Queue) Discard(last ...[]byte) {
	q.fanout.mu.Lock()
	defer q.fanout.mu.Unlock()
	if q.sealed {
		return
	}
	q.discard()
	for _, frame := range last {
		q.put(frame)
	}
}

// Flush waits until all frames are written. It returns false at the deadline; a nil deadline waits
// for as long as Connection.WriteWait takes.
func (q *Queue) Flush(deadline <-chan time.Time) bool {
	q.fanout.mu.Lock()
	if q.state == idle {
		q.fanout.mu.Unlock()
		return true
	}
	if q.flushed == nil {
		q.flushed = make(chan struct{})
	}
	flushed := q.flushed
	q.fanout.mu.Unlock()
	select {
	case <-flushed:
		return true
	case <-deadline:
		return false
	}
}

// Close waits until no goroutine writes to the connection. The connection must be closed before.
func (q *Queue) Close() {
	q.Flush(nil)
	q.goroutines.Wait()
}

// The callers of the methods below hold Fanout.mu.

func (q *Queue) membership(l *frameLog) int {
	return slices.IndexFunc(q.memberships, func(m *member) bool { return m.log == l })
}

// join makes the connection a member of a group, unless the connection is a member already.
func (q *Queue) join(scope Scope, name string) {
	key := logKey{scope, name, q.format}
	l := q.fanout.logs[key]
	if l == nil {
		l = &frameLog{key: key, last: &chunk{}, slowest: math.MaxInt64}
		q.fanout.logs[key] = l
	}
	if q.membership(l) < 0 {
		m := &member{queue: q, log: l, index: len(l.members)}
		l.members = append(l.members, m)
		q.memberships = append(q.memberships, m)
	}
}

// leave ends a membership. Frames sent before are still delivered.
func (q *Queue) leave(l *frameLog) {
	i := q.membership(l)
	if i < 0 {
		return
	}
	m := q.memberships[i]
	if q.reading == m {
		q.stopReading()
	}
	q.memberships = slices.Delete(q.memberships, i, i+1)
	end := len(l.members) - 1
	l.swap(m, l.members[end])
	l.members[end] = nil
	if l.members = l.members[:end]; end == 0 {
		delete(q.fanout.logs, l.key)
	}
}

// fits reports whether more bytes stay within a limit. An empty queue accepts any frame.
func (q *Queue) fits(bytes, limit int) bool {
	waiting := q.bytes
	if q.reading != nil {
		waiting += int(q.reading.log.head - q.offset.bytes)
	}
	return waiting == 0 || waiting+bytes <= limit
}

func (q *Queue) offer(frame []byte, limit int) bool {
	switch {
	case q.sealed:
		return true
	case !q.fits(len(frame), limit):
		return false
	}
	q.put(frame)
	return true
}

// put appends a frame of the connection's own.
func (q *Queue) put(frame []byte) {
	q.stopReading()
	q.frames = append(q.frames, frame)
	q.bytes += len(frame)
	q.fanout.schedule(q)
}

// stopReading moves the unread frames of the log into frames.
func (q *Queue) stopReading() {
	m := q.reading
	if m == nil {
		return
	}
	own := len(q.frames)
	q.frames, _ = q.take(nil, math.MaxInt)
	for i, piece := range q.frames[own:] {
		if len(piece) < maxChunk/2 { // a small piece would retain its whole chunk
			q.frames[own+i] = slices.Clone(piece)
		}
	}
	q.reading, q.offset = nil, offset{}
	m.log.setCaughtUp(m)
}

// take moves whole frames into a batch until the batch has limit bytes; a chunk of a log may exceed
// the limit. The bytes keep counting as waiting until wrote is called.
func (q *Queue) take(into [][]byte, limit int) (batch [][]byte, bytes int) {
	batch = into
	for len(q.frames) > 0 && bytes < limit {
		batch = append(batch, q.frames[0])
		bytes += len(q.frames[0])
		q.frames = q.frames[1:]
	}
	if len(q.frames) > 0 {
		return batch, bytes
	}
	q.frames = nil
	for o := &q.offset; q.reading != nil && bytes < limit; {
		piece := o.chunk.data[o.index:]
		if len(piece) > 0 {
			batch = append(batch, piece)
			bytes += len(piece)
			q.bytes += len(piece)
			o.index += len(piece)
			o.bytes += int64(len(piece))
		}
		if o.chunk.next == nil {
			break
		}
		o.chunk, o.index = o.chunk.next, 0
	}
	return batch, bytes
}

// empty reports whether take would return an empty batch.
func (q *Queue) empty() bool {
	return len(q.frames) == 0 && (q.reading == nil || q.offset.bytes == q.reading.log.head)
}

// wrote counts written bytes of a batch and wakes callers that wait for room.
func (q *Queue) wrote(bytes int, now time.Time) {
	if bytes > 0 {
		q.setLastWrite(now)
	}
	q.bytes -= bytes
	q.wakeRoom()
}

func (q *Queue) wakeRoom() {
	if q.room != nil {
		close(q.room)
		q.room = nil
	}
}

// discard drops the waiting frames and seals the queue. bytes is not adjusted: a sealed queue accepts no
// frame anyway.
func (q *Queue) discard() {
	q.stopReading()
	q.frames = nil
	q.sealed = true
	q.wakeRoom()
}
