package signalr

import (
	"runtime"
	"time"
)

// mostWriters of a hub: a write needs a processor, and nothing else.
var mostWriters = runtime.GOMAXPROCS(0)

// line holds connections that are to be written to, in their order.
type line struct{ first, last *Conn }

func (l *line) push(c *Conn) {
	if l.last == nil {
		l.first = c
	} else {
		l.last.out.next = c
	}
	l.last = c
}

func (l *line) pop() *Conn {
	c := l.first
	if c == nil {
		return nil
	}
	if l.first = c.out.next; l.first == nil {
		l.last = nil
	}
	c.out.next = nil
	return c
}

// wake has a writer look at a connection. The caller holds mu.
func (f *fanout) wake(c *Conn) {
	if c.out.state != idle {
		return
	}
	c.out.state = ready
	f.ready.push(c)
	if f.working < mostWriters {
		f.working++
		go f.write() // rest waits for it
	}
}

// batchSize is how many bytes are written to a socket at once, if there are
// more.
const batchSize = 64 << 10

// write serves connections while any are ready.
func (f *fanout) write() {
	w := writers.Get().(*writer) //nolint:forcetypeassert // Nothing else is put there.
	defer writers.Put(w)
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := f.ready.pop(); c != nil; c = f.ready.pop() {
		c.out.state = writing
		batch, bytes := c.out.take(w.batch[:0], batchSize)
		w.batch = batch
		f.mu.Unlock()
		n, err := w.write(c.raw, batch)
		now := time.Now()
		f.mu.Lock()
		f.wrote(c, n, now)
		switch {
		case err != nil:
			c.out.drop()
			c.helpers.Go(func() { c.lose(err) })
			f.settle(c)
		case n < bytes:
			c.out.state = blocking
			rest := remainder(batch, n)
			c.helpers.Go(func() { c.block(rest) })
		default:
			f.pass(c)
		}
		clear(batch)
	}
	if f.working--; f.working == 0 {
		f.rested.Broadcast()
	}
}

// rest returns when no writer works.
func (f *fanout) rest() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.working > 0 {
		f.rested.Wait()
	}
}

func (f *fanout) wrote(c *Conn, bytes int, now time.Time) {
	c.out.wrote(bytes)
	if bytes > 0 {
		c.sent.Store(int64(now.Sub(c.started)))
	}
	if c.out.room != nil {
		close(c.out.room)
		c.out.room = nil
	}
}

// note counts what a client that blocks has taken.
func (f *fanout) note(c *Conn, bytes int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wrote(c, bytes, time.Now())
}

// more is the next batch for a client that blocks. If there is none, it blocks
// no more.
func (f *fanout) more(c *Conn) [][]byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	batch, bytes := c.out.take(nil, batchSize)
	if bytes == 0 {
		f.settle(c)
	}
	return batch
}

// giveUp is the end of writing to a client.
func (f *fanout) giveUp(c *Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c.out.drop()
	f.settle(c)
}

// pass gives a connection that was written to back: to the line if more waits.
func (f *fanout) pass(c *Conn) {
	if !c.out.empty() {
		c.out.state = ready
		f.ready.push(c)
		return
	}
	f.settle(c)
}

// flush returns when nobody writes to the client any more.
func (f *fanout) flush(c *Conn, deadline <-chan time.Time) bool {
	f.mu.Lock()
	if c.out.state == idle {
		f.mu.Unlock()
		return true
	}
	if c.out.flushed == nil {
		c.out.flushed = make(chan struct{})
	}
	flushed := c.out.flushed
	f.mu.Unlock()
	select {
	case <-flushed:
		return true
	case <-deadline:
		return false
	}
}

// settle is the end of what waited for a client.
func (f *fanout) settle(c *Conn) {
	c.out.dismount()
	c.out.state = idle
	if c.out.flushed != nil {
		close(c.out.flushed)
		c.out.flushed = nil
	}
}
