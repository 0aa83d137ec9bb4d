package fanout

import (
	"errors"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"parley.internal/pkg/signalr/internal/wire"
)

// ErrSealed is the error of a frame for a queue that accepts no more frames.
var ErrSealed = errors.New("send queue is sealed")

// Connection is the owner of a Queue. The fan-out calls both methods on a goroutine of the queue,
// without holding a lock.
type Connection interface {
	// WriteWait writes a batch, waits until the client has read enough for the socket buffer to
	// accept all of the batch, and reports the accepted bytes to wrote as it goes.
	WriteWait(batch [][]byte, wrote func(bytes int)) error
	// WriteFailed reports the error of a write. The queue is sealed and empty.
	WriteFailed(err error)
}

// Queue is the send queue of a connection: its memberships, its backlog and the state of writing.
type Queue struct {
	fanout *Fanout
	conn   Connection
	socket syscall.RawConn // nil: only Connection.WriteWait writes
	format wire.Format

	lastWrite atomic.Int64 // nanoseconds since the start of the fan-out

	goroutines sync.WaitGroup // that write and wait, or report a failed write

	// Guarded by Fanout.mu.
	memberships []*member
	backlog     backlog
	next        *Queue // in the ready list
	state       writeState
	sealed      bool // accepts no more frames

	room    chan struct{} // closed after the next write; nil: no caller waits
	flushed chan struct{} // closed when the queue is idle; nil: no caller waits
}

// writeState tells who writes to the client.
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
	q.backlog.put(first)
	q.fanout.registry.add(q, user)
	q.fanout.schedule(q)
}

// Remove ends all memberships.
func (q *Queue) Remove() {
	q.fanout.mu.Lock()
	defer q.fanout.mu.Unlock()
	q.fanout.registry.remove(q)
}

// Join adds the connection to a group, unless the connection has been removed.
func (q *Queue) Join(group string) {
	q.fanout.mu.Lock()
	defer q.fanout.mu.Unlock()
	if q.memberOf(&q.fanout.registry.all) != nil {
		named(q.fanout.registry.groups, group).add(q)
	}
}

// Leave removes the connection from a group.
func (q *Queue) Leave(group string) {
	q.fanout.mu.Lock()
	defer q.fanout.mu.Unlock()
	if g := q.fanout.registry.groups[group]; g != nil {
		g.remove(q)
	}
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

// OfferOrWait appends a frame like Offer and returns nil, or returns a channel that is closed when
// there may be room. The error is ErrSealed.
func (q *Queue) OfferOrWait(frame []byte, limit int) (<-chan struct{}, error) {
	q.fanout.mu.Lock()
	defer q.fanout.mu.Unlock()
	if q.sealed {
		return nil, ErrSealed
	}
	if q.offer(frame, min(limit, q.fanout.limit)) {
		return nil, nil //nolint:nilnil // nil means that there is no need to wait
	}
	if q.room == nil {
		q.room = make(chan struct{})
	}
	return q.room, nil
}

// SendLast appends the last frames, without a limit, and seals the queue.
func (q *Queue) SendLast(frames ...[]byte) {
	q.fanout.mu.Lock()
	defer q.fanout.mu.Unlock()
	q.sealed = true
	for _, frame := range frames {
		q.backlog.put(frame)
	}
	q.fanout.schedule(q)
}

// SendOnly replaces all waiting frames by a last frame and seals the queue, unless the queue is sealed.
func (q *Queue) SendOnly(frame []byte) {
	q.fanout.mu.Lock()
	defer q.fanout.mu.Unlock()
	if q.sealed {
		return
	}
	q.discard()
	q.backlog.put(frame)
	q.fanout.schedule(q)
}

// Seal accepts no more frames. Waiting frames are still delivered.
func (q *Queue) Seal() {
	q.fanout.mu.Lock()
	defer q.fanout.mu.Unlock()
	q.backlog.stopReading()
	q.sealed = true
}

// Discard seals the queue of a client that has gone and drops the waiting frames, unless the queue is
// sealed: last frames stay.
func (q *Queue) Discard() {
	q.fanout.mu.Lock()
	defer q.fanout.mu.Unlock()
	if !q.sealed {
		q.discard()
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

func (q *Queue) memberOf(g *group) *member {
	for _, m := range q.memberships {
		if m.group == g {
			return m
		}
	}
	return nil
}

func (q *Queue) offer(frame []byte, limit int) bool {
	switch {
	case q.sealed:
		return true
	case !q.backlog.fits(len(frame), limit):
		return false
	}
	q.backlog.put(frame)
	q.fanout.schedule(q)
	return true
}

// wrote counts written bytes of a batch and wakes callers that wait for room.
func (q *Queue) wrote(bytes int, now time.Time) {
	if bytes > 0 {
		q.setLastWrite(now)
	}
	q.backlog.wrote(bytes)
	q.wakeRoom()
}

func (q *Queue) wakeRoom() {
	if q.room != nil {
		close(q.room)
		q.room = nil
	}
}

// discard drops the waiting frames and seals the queue.
func (q *Queue) discard() {
	q.backlog.clear()
	q.sealed = true
	q.wakeRoom()
}
