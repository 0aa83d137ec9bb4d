package fanout

import (
	"math"
	"slices"

	"parley.internal/pkg/signalr/internal/wire"
)

const (
	minChunk = 512      // bytes; enough for a group with little traffic
	maxChunk = 64 << 10 // bytes
)

// logKey identifies a frame log. Each group has a log per format of its members, and so has the group of
// all connections, and the group of each user's connections.
type logKey struct {
	scope  Scope
	name   string
	format wire.Format
}

// frameLog is the append-only sequence of frames sent to a group in one format. Members share the log
// instead of receiving copies: a member with unread frames is a reader and has an offset. Chunks
// before the last reader's offset are unreachable and thus garbage. Fanout.mu guards the log.
type frameLog struct {
	key  logKey
	last *chunk
	head int64 // bytes appended since the log began

	members []*member // the readers, and behind them the caught-up members without unread frames
	readers int       // of members
	slowest int64     // no reader has made less progress
}

// member is a connection in a group.
type member struct {
	queue *Queue
	log   *frameLog
	index int // in log.members
}

// chunk is a part of a log. Bytes below len(data) never change, so sockets can be written from a
// chunk without a lock.
type chunk struct {
	data []byte
	next *chunk
}

// offset is a position in a log.
type offset struct {
	chunk *chunk
	index int   // in chunk.data
	bytes int64 // since the log began
}

// send appends a frame and makes each caught-up member a reader, except excluded members and members
// for which the frame does not fit into limit bytes. send returns the latter, the lagging members.
func (l *frameLog) send(frame []byte, limit int) (lagging []*Queue) {
	if l.head+int64(len(frame))-l.slowest > int64(limit) {
		l.stopLagging(len(frame), limit)
	}
	if cap(l.last.data)-len(l.last.data) < len(frame) {
		size := min(max(minChunk, 2*cap(l.last.data)), maxChunk)
		l.last.next = &chunk{data: make([]byte, 0, max(size, len(frame)))}
		l.last = l.last.next
	}
	before := offset{chunk: l.last, index: len(l.last.data), bytes: l.head}
	l.last.data = append(l.last.data, frame...)
	l.head += int64(len(frame))

	caughtUp := l.members[l.readers:]
	l.readers = len(l.members)
	for _, m := range slices.Backward(caughtUp) { // setCaughtUp moves the last reader into m's place
		q := m.queue
		if q.reading != nil {
			q.stopReading() // frames of another group
		}
		switch {
		case q.sealed, q.excluded:
			l.setCaughtUp(m)
		case q.bytes > 0 && q.bytes+len(frame) > limit:
			l.setCaughtUp(m)
			lagging = append(lagging, q)
		default:
			q.reading, q.offset = m, before
			l.slowest = min(l.slowest, before.bytes-int64(q.bytes))
			q.fanout.schedule(q)
		}
	}
	return lagging
}

// stopLagging ends reading for the readers for which another frame does not fit. While a reader stays
// near its limit, each broadcast calls stopLagging: a scan of all readers, some percent of the cost of
// their writes.
func (l *frameLog) stopLagging(bytes, limit int) {
	l.slowest = math.MaxInt64
	for _, m := range slices.Backward(l.members[:l.readers]) { // setCaughtUp moves the last reader into m's place
		if q := m.queue; q.fits(bytes, limit) {
			l.slowest = min(l.slowest, q.offset.bytes-int64(q.bytes))
		} else {
			q.stopReading()
		}
	}
}

// setCaughtUp makes a reader a caught-up member. Without readers a large chunk is freed, because the group
// may stay silent for long.
func (l *frameLog) setCaughtUp(m *member) {
	l.readers--
	l.swap(m, l.members[l.readers])
	if l.readers == 0 {
		l.slowest = math.MaxInt64
		if cap(l.last.data) > minChunk {
			l.last = &chunk{}
		}
	}
}

func (l *frameLog) swap(a, b *member) {
	l.members[a.index], l.members[b.index] = b, a
	a.index, b.index = b.index, a.index
}
