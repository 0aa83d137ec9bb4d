package signalr

import "context"

// mostCalls is how many invocations wait for a connection's methods. With more,
// or with so many bytes as one message may have, its client is not read until
// there is room: it floods nobody but itself.
const mostCalls = 16

// jobs is what the hub's code has to do for a connection, one after the other.
// Conn.mu guards it.
type jobs struct {
	calls     []call
	bytes     int
	room      chan struct{} // closed when there is room; nil: nobody waits
	early     []*message    // what brings streams, until OnConnect has returned
	beside    int           // methods that run without a turn
	working   bool          // a goroutine sees to it
	connected bool          // OnConnect has been called
	admitted  bool          // OnConnect has returned
	departed  bool          // OnDisconnect has
	gone      chan struct{} // closed when all is done; nil: nobody waits
}

type call struct {
	message *message
	bytes   int
}

// enqueue has an invocation run, and waits if too many wait. The error is that it
// will not.
func (c *Conn) enqueue(m *message, bytes int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(m.streams) > 0 {
		c.startBeside(m)
		return nil
	}
	for len(c.jobs.calls) > 0 && (len(c.jobs.calls) >= mostCalls || c.jobs.bytes+bytes > c.hub.options.MaxMessage) {
		room := make(chan struct{})
		c.jobs.room = room
		c.mu.Unlock()
		err := c.hold(func(ctx context.Context) error {
			select {
			case <-room:
			case <-ctx.Done():
			}
			return ctx.Err()
		})
		c.mu.Lock()
		if err != nil {
			return err
		}
	}
	c.jobs.calls = append(c.jobs.calls, call{m, bytes})
	c.jobs.bytes += bytes
	c.hire()
	return nil
}

// startBeside runs an invocation that brings streams, without a turn: it may wait
// for long for what the client has yet to send, and must keep nothing else from
// running. There are as many as mostStreams at most. The caller holds mu.
func (c *Conn) startBeside(m *message) {
	j := &c.jobs
	switch {
	case j.departed, c.ctx.Err() != nil:
	case !j.admitted:
		j.early = append(j.early, m)
	default:
		j.beside++
		c.streaming.Go(func() {
			defer c.doneBeside()
			c.answer(m)
		})
	}
}

// doneBeside is after such an invocation. The end of the connection may wait for it.
func (c *Conn) doneBeside() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.jobs.beside--
	if c.reason != nil {
		c.hire()
	}
}

// admit is when OnConnect has returned.
func (c *Conn) admit() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.jobs.admitted = true
	early := c.jobs.early
	c.jobs.early = nil
	for _, m := range early {
		c.startBeside(m)
	}
}

// employ has someone look for jobs.
func (c *Conn) employ() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hire()
}

// hire is for callers that hold mu.
func (c *Conn) hire() {
	if c.jobs.working || c.jobs.departed || !c.greeted.Load() {
		return
	}
	c.jobs.working = true
	c.busy.Store(true)
	c.helpers.Go(c.work)
}

// work does jobs while there are any. One that ends the goroutine ends no more
// than that.
func (c *Conn) work() {
	exited := true
	defer func() {
		if exited {
			c.helpers.Go(c.work)
		}
	}()
	for job := c.job(); job != nil; job = c.job() {
		job()
	}
	exited = false
}

// job is the next thing to do, nil if there is none.
func (c *Conn) job() func() {
	c.mu.Lock()
	defer c.mu.Unlock()
	j := &c.jobs
	switch {
	case !j.connected:
		j.connected = true
		return c.connect
	case c.reason != nil && !j.departed && (len(j.calls)+j.beside == 0 || c.ctx.Err() != nil):
		j.departed = true
		return c.depart
	case len(j.calls) > 0 && !j.departed:
		next := j.calls[0]
		j.calls, j.bytes = j.calls[1:], j.bytes-next.bytes
		if j.room != nil {
			close(j.room)
			j.room = nil
		}
		c.busy.Store(true)
		return func() {
			c.answer(next.message)
			c.listenAgain()
		}
	}
	j.working = false
	c.listenAgain()
	if len(j.calls) == 0 {
		j.calls = nil
	}
	if j.departed && j.gone != nil {
		close(j.gone)
		j.gone = nil
	}
	return nil
}

// gone is closed when all of the hub's code has run.
func (c *Conn) gone() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	gone := make(chan struct{})
	if c.jobs.departed && !c.jobs.working {
		close(gone)
	} else {
		c.jobs.gone = gone
	}
	return gone
}

// listenAgain lets the client's silence count from now.
func (c *Conn) listenAgain() {
	c.hear()
	c.busy.Store(false)
}
