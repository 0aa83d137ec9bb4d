package signalr

import (
	"slices"
	"sync"
)

// fanout brings what is sent to the sockets. What goes to many is stored once,
// and read by each client at its own pace: a delivery costs one write to a
// socket, and less if there is more than one to make. A few writers serve all
// connections. A write never waits: where a socket takes no more, a goroutine of
// that connection goes on.
type fanout struct {
	limit int // bytes that may wait for a client

	mu      sync.Mutex
	members members
	ready   line
	working int       // writers
	rested  sync.Cond // no writer works
}

func (f *fanout) init(limit int) {
	f.limit, f.rested.L = limit, &f.mu
	f.members.init()
}

// put sends a frame to one client. False says that it reads too slowly: what
// waits for it is forgotten.
func (f *fanout) put(c *Conn, frame []byte) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.offerLocked(c, frame, f.limit) {
		return true
	}
	c.out.drop()
	return false
}

// offer is put that changes nothing when more than limit bytes would wait.
func (f *fanout) offer(c *Conn, frame []byte, limit int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.offerLocked(c, frame, min(limit, f.limit))
}

func (f *fanout) offerLocked(c *Conn, frame []byte, limit int) bool {
	switch {
	case c.out.sealed:
		return true
	case !c.out.fits(len(frame), limit):
		return false
	}
	c.out.put(frame)
	f.wake(c)
	return true
}

// offerOrWait is offer, and returns nil if the frame fits, else a channel that
// is closed when it may. The error is that nothing is sent any more.
func (f *fanout) offerOrWait(c *Conn, frame []byte, limit int) (<-chan struct{}, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c.out.sealed {
		return nil, ErrEnded
	}
	if f.offerLocked(c, frame, min(limit, f.limit)) {
		return nil, nil //nolint:nilnil // There is nothing to wait for.
	}
	if c.out.room == nil {
		c.out.room = make(chan struct{})
	}
	return c.out.room, nil
}

// last puts frames that are not followed by any, whatever waits.
func (f *fanout) last(c *Conn, frames ...[]byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c.out.sealed = true
	for _, frame := range frames {
		c.out.put(frame)
	}
	f.wake(c)
}

// answer puts the one frame that is left to say to a client, instead of what
// waits.
func (f *fanout) answer(c *Conn, frame []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if c.out.sealed {
		return
	}
	c.out.drop()
	c.out.put(frame)
	f.wake(c)
}

// add makes a connection a member of all, and of its user's, behind a first
// frame.
func (f *fanout) add(c *Conn, first []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c.out.put(first)
	f.members.add(c)
	f.wake(c)
}

func (f *fanout) remove(c *Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.members.remove(c)
}

// seal has a client sent no more. What waits still arrives.
func (f *fanout) seal(c *Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	c.out.dismount()
	c.out.sealed = true
}

// abandon is seal for a client that has gone: what waits is forgotten, but not a
// goodbye.
func (f *fanout) abandon(c *Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !c.out.sealed {
		c.out.drop()
	}
}

// cast sends a record to an audience, and answers who reads too slowly for it.
// What waits for those is forgotten; or, if the audience has a way to say that
// they are behind, they have left its group before anything else is sent there.
func (f *fanout) cast(a Audience, o *outbound) (slow []*Conn) {
	frames := f.encode(o)
	limit := f.limit
	if a.behind != nil {
		limit = min(a.within, limit)
	}

	f.mu.Lock()
	defer f.mu.Unlock()
	g := f.members.of(a)
	if g == nil {
		return nil
	}
	g.spare(a.except, true)
	defer g.spare(a.except, false)
	for format, r := range g.runs {
		if r == nil {
			continue
		}
		if frames[format] == nil { // its first member has come this moment
			frames[format] = r.format.encode(o)
		}
		behind := f.send(r, frames[format], limit)
		for _, c := range behind {
			if a.behind == nil {
				c.out.drop()
			} else if a.scope == scopeGroup {
				g.leave(c)
			}
		}
		slow = append(slow, behind...)
	}
	return slow
}

// encode makes the frames for the formats that are spoken.
func (f *fanout) encode(o *outbound) (frames [formats][]byte) {
	for i := range frames {
		if f.members.spoken[i].Load() > 0 {
			frames[i] = format(i).encode(o)
		}
	}
	return frames
}

// send appends a frame to a run, and has those ride who did not. It answers the
// members for whom it is too much, and who are not sent it.
func (f *fanout) send(r *run, frame []byte, limit int) (slow []*Conn) {
	for m := r.riders.first(); m != nil && !m.conn.out.fits(len(frame), limit); m = r.riders.first() {
		m.conn.out.dismount() // and fits no better then
	}
	before := r.append(frame)
	for _, m := range slices.Backward(r.waiting) { // whoever rides gives its place to the last
		c := m.conn
		switch {
		case c.out.sealed, m.spared:
		case !c.out.fits(len(frame), limit):
			slow = append(slow, c)
		default:
			c.out.mount(m, before)
			f.wake(c)
		}
	}
	return slow
}
