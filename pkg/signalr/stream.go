package signalr

import (
	"context"
	"fmt"
	"iter"
	"time"
)

const (
	mostStreams  = 32          // that a connection has at once, in both directions
	streamWindow = 64 << 10    // bytes that may wait for a client before its streams go on
	endPatience  = time.Second // how long one more waits for those to end that were cancelled
)

const errStreams = HubError("too many streams at once")

// flows are a connection's streams and the calls to its client that are under
// way. Conn.mu guards them.
type flows struct {
	uploads   map[string]*upload
	uploaded  int           // bytes of theirs that wait, and what each item costs
	moved     chan struct{} // closed when the reader has to look at them; nil: it does not wait
	downloads map[string]*download
	ending    int // of these: the client has cancelled them
	calls     map[string]chan<- *message
	named     int  // calls so far
	cut       bool // the client is read no more
}

// download is a stream to the client.
type download struct {
	cancel context.CancelFunc
	ending bool
}

// fit says whether the streams of an invocation may begin.
func (f *flows) fit(m *message) bool {
	more := m.flows()
	return more == 0 || len(f.uploads)+len(f.downloads)+more <= mostStreams
}

// awaitEnds has the client wait for a while if the streams of an invocation fit
// only when others have ended that it has cancelled.
func (c *Conn) awaitEnds(m *message) error {
	if m.flows() == 0 {
		return nil
	}
	settled := func(f *flows) bool { return f.fit(m) || f.ending == 0 }
	if c.movedUnless(settled) == nil {
		return nil
	}
	return c.hold(func(ctx context.Context) error {
		patience := time.NewTimer(endPatience)
		defer patience.Stop()
		for {
			moved := c.movedUnless(settled)
			if moved == nil {
				return nil
			}
			select {
			case <-moved:
			case <-patience.C:
				return nil
			case <-ctx.Done():
				return fmt.Errorf("wait for a stream to end: %w", ctx.Err())
			}
		}
	})
}

// open makes room for the streams of an invocation. It runs before the
// invocation waits for its turn: items may come at once.
func (c *Conn) open(m *message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := &c.flows
	if m.kind == kindStreamInvocation {
		if _, used := f.downloads[m.invocationID]; used {
			return errIDInUse
		}
	}
	if !f.fit(m) {
		return errStreams
	}
	for i, id := range m.streams {
		if _, used := f.uploads[id]; used {
			for _, opened := range m.streams[:i] {
				delete(f.uploads, opened)
			}
			return errArguments
		}
		put(&f.uploads, id, &upload{conn: c})
	}
	m.ctx = context.WithValue(c.ctx, afterKey{}, m)
	if m.kind == kindStreamInvocation {
		ctx, cancel := context.WithCancel(m.ctx)
		m.ctx = ctx
		put(&f.downloads, m.invocationID, &download{cancel: cancel})
	}
	return nil
}

// flows is how many streams an invocation begins.
func (m *message) flows() int {
	if m.kind == kindStreamInvocation {
		return len(m.streams) + 1
	}
	return len(m.streams)
}

func put[V any](m *map[string]V, key string, value V) {
	if *m == nil {
		*m = make(map[string]V)
	}
	(*m)[key] = value
}

// shut forgets the streams of an invocation.
func (c *Conn) shut(m *message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, id := range m.streams {
		if u := c.flows.uploads[id]; u != nil {
			u.forget()
			delete(c.flows.uploads, id)
		}
	}
	if m.kind == kindStreamInvocation {
		d := c.flows.downloads[m.invocationID]
		d.cancel()
		if d.ending {
			c.flows.ending--
		}
		delete(c.flows.downloads, m.invocationID)
		c.flows.move()
	}
}

// upload finds a client's stream, nil if nobody reads it.
func (c *Conn) upload(id string) *upload {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.flows.uploads[id]
}

// complete is the client's end of a stream of its own, or its answer to a call.
func (c *Conn) complete(m *message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if answer, waits := c.flows.calls[m.invocationID]; waits {
		delete(c.flows.calls, m.invocationID)
		answer <- m // has room for one
		return
	}
	if u := c.flows.uploads[m.invocationID]; u != nil {
		why := errStreamEnd
		if m.failure != "" {
			why = ClientError(m.failure)
		}
		u.end(why) // It may have been said before.
	}
}

// cancelStream is a client that has heard enough of a stream.
func (c *Conn) cancelStream(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if d := c.flows.downloads[id]; d != nil && !d.ending {
		d.cancel()
		d.ending = true
		c.flows.ending++
	}
}

// stream sends items until there are no more, at the pace of the client.
func (c *Conn) stream(m *message, items iter.Seq2[any, error]) {
	c.hub.guard(func() error {
		for item, err := range items {
			if err == nil {
				err = c.sendItem(m, item)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}, func(err error) {
		text := ""
		if err != nil && m.ctx.Err() == nil {
			c.logFailure(m.target, err)
			text = withHubError("An error occurred on the server while streaming results.", err)
		}
		c.shut(m) // The client may use the id again.
		c.push(failureOf(m.invocationID, text))
	})
}

// sendItem waits for the client to read what was sent to it before.
func (c *Conn) sendItem(m *message, item any) error {
	value, err := valueOf(item)
	if err != nil {
		return err
	}
	frame := c.format.encode(&outbound{kind: kindStreamItem, id: m.invocationID, value: value})
	for m.ctx.Err() == nil {
		room, err := c.hub.fanout.offerOrWait(c, frame, streamWindow)
		if err != nil {
			c.cancelStream(m.invocationID) // so that its method knows
			return err
		}
		if room == nil {
			return nil
		}
		select {
		case <-room:
		case <-m.ctx.Done():
		}
	}
	return m.ctx.Err()
}
