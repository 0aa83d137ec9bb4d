package fanout

import (
	"slices"

	"parley.internal/pkg/signalr/internal/wire"
)

const (
	minChunk = 512      // bytes; enough for a group with little traffic
	maxChunk = 64 << 10 // bytes
)

// frameLog is the append-only sequence of frames sent to a group in one format. Members share the log
// instead of receiving copies: a member with unread frames is a reader and has an offset. Chunks
// before the last reader's offset are unreachable and thus garbage.
type frameLog struct {
	format wire.Format
	last   *chunk
	head   int64 // bytes appended since the log began

	caughtUp []*member // members without unread frames, in no order
	readers  readerHeap
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

// append adds a frame within a single chunk and returns the offset before the frame.
func (l *frameLog) append(frame []byte) offset {
	if l.last == nil || cap(l.last.data)-len(l.last.data) < len(frame) {
		size := minChunk
		if l.last != nil {
			size = min(2*cap(l.last.data), maxChunk)
		}
		c := &chunk{data: make([]byte, 0, max(size, len(frame)))}
		if l.last != nil {
			l.last.next = c
		}
		l.last = c
	}
	before := offset{chunk: l.last, index: len(l.last.data), bytes: l.head}
	l.last.data = append(l.last.data, frame...)
	l.head += int64(len(frame))
	return before
}

// release frees a large chunk without readers: the group may stay silent for long.
func (l *frameLog) release() {
	if len(l.readers.heap) == 0 && l.last != nil && cap(l.last.data) > minChunk {
		l.last = nil
	}
}

// read appends the frames behind o to a batch, in whole frames, and advances o. Reading stops with
// the chunk that reaches limit bytes.
func (o *offset) read(into [][]byte, limit int) (batch [][]byte, bytes int) {
	for bytes < limit {
		piece := o.chunk.data[o.index:]
		if len(piece) == 0 {
			if o.chunk.next == nil {
				break
			}
			o.chunk, o.index = o.chunk.next, 0
			continue
		}
		into = append(into, piece)
		o.index += len(piece)
		o.bytes += int64(len(piece))
		bytes += len(piece)
	}
	return into, bytes
}

// send appends a frame and makes each caught-up member a reader, except excluded members and members
// with more than limit bytes waiting. send returns the latter, the lagging members.
func (l *frameLog) send(frame []byte, limit int) (lagging []*Queue) {
	for m := l.readers.slowest(); m != nil && !m.queue.backlog.fits(len(frame), limit); m = l.readers.slowest() {
		m.queue.backlog.stopReading() // caught up from here on, and still too far behind below
	}
	before := l.append(frame)
	for _, m := range slices.Backward(l.caughtUp) { // startReading moves the last member into m's place
		q := m.queue
		switch {
		case q.sealed, m.excluded:
		case !q.backlog.fits(len(frame), limit):
			lagging = append(lagging, q)
		default:
			q.backlog.startReading(m, before)
			q.fanout.schedule(q)
		}
	}
	return lagging
}

// addCaughtUp files a member without unread frames.
func (l *frameLog) addCaughtUp(m *member) {
	m.index = len(l.caughtUp)
	l.caughtUp = append(l.caughtUp, m)
}

func (l *frameLog) removeCaughtUp(m *member) {
	end := len(l.caughtUp) - 1
	other := l.caughtUp[end]
	l.caughtUp[m.index], other.index = other, m.index
	l.caughtUp[end] = nil
	l.caughtUp = l.caughtUp[:end]
}
