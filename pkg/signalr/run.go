package signalr

const (
	firstChunk = 512      // bytes; for a group that says little
	mostChunk  = 64 << 10 // bytes
)

// run is what was sent to a group in one format: ready frames, one behind the
// other, only ever appended to. Its members do not get copies: whoever has
// something to read rides the run, which is to hold a place in it. What no
// member's place can reach any more is garbage.
type run struct {
	format format
	last   *chunk
	head   int64 // bytes appended since the run began

	waiting []*member // who has read all, in no order
	riders  riders    // who has not
}

// chunk is a piece of a run. Bytes below len(data) never change, so that they
// can be written to sockets without a lock.
type chunk struct {
	data []byte
	next *chunk
}

// place is a position in a run.
type place struct {
	chunk  *chunk
	offset int   // in chunk
	at     int64 // in the run
}

// append adds a frame, whole in one chunk, and returns the place before it.
func (r *run) append(frame []byte) place {
	if r.last == nil || cap(r.last.data)-len(r.last.data) < len(frame) {
		size := firstChunk
		if r.last != nil {
			size = min(2*cap(r.last.data), mostChunk)
		}
		c := &chunk{data: make([]byte, 0, max(size, len(frame)))}
		if r.last != nil {
			r.last.next = c
		}
		r.last = c
	}
	before := place{chunk: r.last, offset: len(r.last.data), at: r.head}
	r.last.data = append(r.last.data, frame...)
	r.head += int64(len(frame))
	return before
}

// rest forgets a large chunk when nobody reads it: a group may be silent for
// long.
func (r *run) rest() {
	if len(r.riders.heap) == 0 && r.last != nil && cap(r.last.data) > firstChunk {
		r.last = nil
	}
}

// read appends what follows p, in whole frames, and moves p behind it. It stops
// at the first chunk that brings it to limit bytes.
func (p *place) read(into [][]byte, limit int) (batch [][]byte, bytes int) {
	for bytes < limit {
		piece := p.chunk.data[p.offset:]
		if len(piece) == 0 {
			if p.chunk.next == nil {
				break
			}
			p.chunk, p.offset = p.chunk.next, 0
			continue
		}
		into = append(into, piece)
		p.offset += len(piece)
		p.at += int64(len(piece))
		bytes += len(piece)
	}
	return into, bytes
}

// riders are the members that ride a run, as a heap: the first one has the most
// to read. Most come to its end, and stay there until they leave.
type riders struct{ heap []*member }

// first is nil if there are none.
func (l *riders) first() *member {
	if len(l.heap) == 0 {
		return nil
	}
	return l.heap[0]
}

func (l *riders) insert(m *member) {
	m.riding, m.index, m.read = true, len(l.heap), m.progress()
	l.heap = append(l.heap, m)
	l.rise(m)
}

func (l *riders) remove(m *member) {
	end := len(l.heap) - 1
	other := l.heap[end]
	l.heap[end] = nil
	l.heap = l.heap[:end]
	if other != m {
		l.heap[m.index], other.index = other, m.index
		l.rise(other)
		l.sink(other)
	}
	m.riding = false
}

// rise moves a member to where those before it have as much to read.
func (l *riders) rise(m *member) {
	for m.index > 0 && l.heap[(m.index-1)/2].read > m.read {
		l.swap(m, l.heap[(m.index-1)/2])
	}
}

// sink moves a member that has read to where those behind it have.
func (l *riders) sink(m *member) {
	m.read = m.progress()
	for {
		child := 2*m.index + 1
		if child+1 < len(l.heap) && l.heap[child+1].read < l.heap[child].read {
			child++
		}
		if child >= len(l.heap) || l.heap[child].read >= m.read {
			return
		}
		l.swap(m, l.heap[child])
	}
}

func (l *riders) swap(a, b *member) {
	l.heap[a.index], l.heap[b.index] = b, a
	a.index, b.index = b.index, a.index
}
