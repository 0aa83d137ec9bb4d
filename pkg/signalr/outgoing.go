package signalr

import (
	"math"
	"slices"
)

// outgoing is what waits for one client: frames of its own, and behind them
// what it has not read of the run it rides. It rides one at most: when
// something else is sent to it, what it would have read becomes frames of its
// own, so that all arrives in the order of sending. The fan-out guards it.
type outgoing struct {
	frames [][]byte
	bytes  int     // of frames, and of what is being written
	ride   *member // nil: none
	place  place   // in the run of ride
	next   *Conn   // behind this one among those that are ready
	state  state
	sealed bool // takes no more

	room    chan struct{} // closed when something has been written; nil: nobody waits
	flushed chan struct{} // closed when nothing waits; nil: nobody asks
}

// state is who writes to the client.
type state uint8

const (
	idle     state = iota // nobody: nothing waits
	ready                 // the next writer that is free
	writing               // a writer
	blocking              // a goroutine that waits for the client to read
)

// waiting is how many bytes the client has not taken yet.
func (o *outgoing) waiting() int {
	if o.ride == nil {
		return o.bytes
	}
	return int(o.ride.run.head - o.ride.progress())
}

// fits says whether so many bytes more stay within a limit. Alone, everything
// fits.
func (o *outgoing) fits(bytes, limit int) bool {
	waiting := o.waiting()
	return waiting == 0 || waiting+bytes <= limit
}

// put appends a frame of the client's own.
func (o *outgoing) put(frame []byte) {
	o.dismount()
	o.frames = append(o.frames, frame)
	o.bytes += len(frame)
}

// mount has the client ride from p on.
func (o *outgoing) mount(m *member, p place) {
	o.dismount()
	m.stopWaiting()
	o.ride, o.place = m, p
	m.run.riders.insert(m)
}

// dismount ends the ride.
func (o *outgoing) dismount() {
	m := o.ride
	if m == nil {
		return
	}
	m.run.riders.remove(m)
	frames, bytes := o.place.read(o.frames, math.MaxInt)
	for i, piece := range frames[len(o.frames):] {
		if len(piece) < mostChunk/2 { // A small piece would keep all of its chunk.
			frames[len(o.frames)+i] = slices.Clone(piece)
		}
	}
	o.frames, o.bytes = frames, o.bytes+bytes
	o.ride, o.place = nil, place{}
	m.wait()
	m.run.rest()
}

// take moves whole frames from what waits into a batch until it has limit bytes;
// one chunk of a run may be more. They count until wrote is called.
func (o *outgoing) take(into [][]byte, limit int) (batch [][]byte, bytes int) {
	n := 0
	for n < len(o.frames) && bytes < limit {
		bytes += len(o.frames[n])
		n++
	}
	batch = into
	batch = append(batch, o.frames[:n]...)
	if o.frames = o.frames[n:]; len(o.frames) > 0 {
		return batch, bytes
	}
	o.frames = nil
	if o.ride == nil {
		return batch, bytes
	}
	batch, more := o.place.read(batch, limit-bytes)
	o.bytes += more
	return batch, bytes + more
}

// wrote notes that so many of the bytes that were taken are written.
func (o *outgoing) wrote(bytes int) {
	o.bytes -= bytes
	switch {
	case o.ride == nil:
	case o.bytes == 0 && o.empty():
		o.dismount() // which finding a place for it would only delay
	default:
		o.ride.run.riders.sink(o.ride)
	}
}

// empty says whether there is nothing to take.
func (o *outgoing) empty() bool {
	return len(o.frames) == 0 && (o.ride == nil || o.place.at == o.ride.run.head)
}

// drop forgets what waits, and takes no more.
func (o *outgoing) drop() {
	o.dismount()
	o.frames, o.sealed = nil, true
	if o.room != nil {
		close(o.room)
		o.room = nil
	}
}
