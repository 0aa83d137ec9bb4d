package fanout

import (
	"math"
	"slices"
)

// backlog contains the bytes that wait for a client: frames of the connection's own and, behind them,
// the unread frames of at most one frame log. When a frame from elsewhere follows, the unread frames
// of the log become frames of the backlog: everything is delivered in the order of sending. Fanout.mu
// guards the backlog.
type backlog struct {
	frames [][]byte
	bytes  int     // of frames, and of the batch being written
	reader *member // of the log being read; nil: none
	offset offset  // in the log of reader
}

// waiting returns the number of bytes that the client has not accepted yet.
func (b *backlog) waiting() int {
	if b.reader == nil {
		return b.bytes
	}
	return int(b.reader.log.head - b.reader.progress())
}

// fits reports whether more bytes stay within a limit. An empty backlog accepts any frame.
func (b *backlog) fits(bytes, limit int) bool {
	waiting := b.waiting()
	return waiting == 0 || waiting+bytes <= limit
}

// put appends a frame of the connection's own.
func (b *backlog) put(frame []byte) {
	b.stopReading()
	b.frames = append(b.frames, frame)
	b.bytes += len(frame)
}

// startReading reads the log of a caught-up member from o on.
func (b *backlog) startReading(m *member, o offset) {
	b.stopReading()
	m.log.removeCaughtUp(m)
	b.reader, b.offset = m, o
	m.log.readers.insert(m)
}

// stopReading moves the unread frames of the log into frames.
func (b *backlog) stopReading() {
	m := b.reader
	if m == nil {
		return
	}
	m.log.readers.remove(m)
	frames, bytes := b.offset.read(b.frames, math.MaxInt)
	for i, piece := range frames[len(b.frames):] {
		if len(piece) < maxChunk/2 { // a small piece would retain its whole chunk
			frames[len(b.frames)+i] = slices.Clone(piece)
		}
	}
	b.frames, b.bytes = frames, b.bytes+bytes
	b.reader, b.offset = nil, offset{}
	m.log.addCaughtUp(m)
	m.log.release()
}

// take moves whole frames into a batch until the batch has limit bytes; a chunk of a log may exceed
// the limit. The bytes keep counting as waiting until wrote is called.
func (b *backlog) take(into [][]byte, limit int) (batch [][]byte, bytes int) {
	n := 0
	for n < len(b.frames) && bytes < limit {
		bytes += len(b.frames[n])
		n++
	}
	batch = into
	batch = append(batch, b.frames[:n]...)
	if b.frames = b.frames[n:]; len(b.frames) > 0 {
		return batch, bytes
	}
	b.frames = nil
	if b.reader == nil {
		return batch, bytes
	}
	batch, more := b.offset.read(batch, limit-bytes)
	b.bytes += more
	return batch, bytes + more
}

// wrote counts written bytes of a batch.
func (b *backlog) wrote(bytes int) {
	b.bytes -= bytes
	switch {
	case b.reader == nil:
	case b.bytes == 0 && b.empty():
		b.stopReading() // cheaper than a new place in the heap
	default:
		b.reader.log.readers.down(b.reader)
	}
}

// empty reports whether take would return an empty batch.
func (b *backlog) empty() bool {
	return len(b.frames) == 0 && (b.reader == nil || b.offset.bytes == b.reader.log.head)
}

// clear drops all frames; the bytes of the batch being written still count.
func (b *backlog) clear() {
	b.stopReading()
	b.frames = nil
}
