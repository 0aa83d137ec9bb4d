package signalr

import (
	"errors"
	"fmt"
	"sync"
	"syscall"
)

// writer is what one needs to write to sockets, whichever.
type writer struct {
	batch [][]byte
	whole []byte // a batch of several pieces

	call func(fd uintptr) bool // made once: it would cost an allocation each time
	data []byte
	n    int
	err  error
}

var writers = sync.Pool{New: func() any {
	w := &writer{whole: make([]byte, 0, 2*mostChunk)}
	w.call = func(fd uintptr) bool {
		w.n, w.err = syscall.Write(int(fd), w.data)
		for errors.Is(w.err, syscall.EINTR) {
			w.n, w.err = syscall.Write(int(fd), w.data)
		}
		return true // also if it would have to wait
	}
	return w
}}

// write writes as much of a batch as the socket takes at once.
func (w *writer) write(raw syscall.RawConn, batch [][]byte) (n int, err error) {
	if raw == nil || len(batch) == 0 {
		return 0, nil
	}
	w.data = batch[0]
	if len(batch) > 1 {
		w.whole = w.whole[:0]
		for _, piece := range batch {
			if len(w.whole) > 0 && len(w.whole)+len(piece) > cap(w.whole) {
				break
			}
			w.whole = append(w.whole, piece...)
		}
		w.data = w.whole
	}
	if err := raw.Write(w.call); err != nil {
		return 0, fmt.Errorf("write: %w", err)
	}
	w.data = nil
	if w.err != nil && !errors.Is(w.err, syscall.EAGAIN) {
		return max(0, w.n), fmt.Errorf("write: %w", w.err)
	}
	return max(0, w.n), nil
}

// remainder is what follows the first n bytes of a batch.
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

// block writes to a client that has to read first: the rest of what a writer
// began, and what comes meanwhile.
func (c *Conn) block(batch [][]byte) {
	took := func(bytes int) { c.hub.fanout.note(c, bytes) }
	for len(batch) > 0 {
		if err := c.carrier.write(batch, took); err != nil {
			c.hub.fanout.giveUp(c)
			c.lose(err)
			return
		}
		batch = c.hub.fanout.more(c)
	}
}
