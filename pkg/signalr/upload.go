package signalr

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

const (
	uploadBuffer = 10        // items of a client's stream that wait for its method
	uploadWindow = 256 << 10 // bytes of all of a connection's streams that may wait, with what each item costs
	itemCost     = 64        // bytes, beside its own
)

var (
	errStreamEnd = errors.New("signalr: end of stream")
	errReturned  = errors.New("signalr: the method of this stream has returned")
	errUnread    = HubError("The stream was not read for too long, and others had to wait.")
)

// upload is a client's stream on its way to a method. Conn.mu guards it.
type upload struct {
	conn  *Conn
	items []json.RawMessage
	err   error         // there will be no more items; nil: there may
	news  chan struct{} // closed when there is something to see; nil: nobody waits
	read  int           // items so far
}

// next is the next item; errStreamEnd if there are no more.
func (u *upload) next(ctx context.Context) (json.RawMessage, error) {
	for {
		item, news, err := u.look()
		if news == nil {
			return item, err
		}
		select {
		case <-news:
		case <-ctx.Done():
			u.turnAway(news)
			return nil, ctx.Err()
		case <-u.conn.ctx.Done():
			return nil, ErrEnded
		}
	}
}

// look is next, or says where to wait.
func (u *upload) look() (item json.RawMessage, news <-chan struct{}, err error) {
	c := u.conn
	c.mu.Lock()
	defer c.mu.Unlock()
	f := &c.flows
	if len(u.items) > 0 {
		item = u.items[0]
		u.items[0] = nil
		u.items = u.items[1:]
		u.read++
		f.uploaded -= len(item) + itemCost
		f.move()
		return item, nil, nil
	}
	if u.err != nil {
		return nil, nil, u.err
	}
	if u.news == nil {
		u.news = make(chan struct{})
		f.move() // It may be what the reader has to know.
	}
	return nil, u.news, nil
}

// turnAway is when one who waited does so no more. Others look again.
func (u *upload) turnAway(news <-chan struct{}) {
	u.conn.mu.Lock()
	defer u.conn.mu.Unlock()
	if u.news == news {
		u.tell()
	}
}

// tell has whoever waits look. The caller holds mu, as for the methods below.
func (u *upload) tell() {
	if u.news != nil {
		close(u.news)
		u.news = nil
	}
}

// end has no more items come.
func (u *upload) end(why error) {
	if u.err == nil {
		u.err = why
		u.tell()
	}
}

// forget is when nobody reads it any more.
func (u *upload) forget() {
	for _, item := range u.items {
		u.conn.flows.uploaded -= len(item) + itemCost
	}
	u.items = nil
	u.end(errReturned)
	u.conn.flows.move()
}

// move has the reader look whether an item fits now.
func (f *flows) move() {
	if f.moved != nil {
		close(f.moved)
		f.moved = nil
	}
}

// fits says whether one more item may wait. One that would be read at once always
// may, or is not kept.
func (f *flows) fits(u *upload, item json.RawMessage) bool {
	switch {
	case len(u.items) == 0, u.err != nil:
		return true
	case f.uploaded+len(item)+itemCost > uploadWindow:
		return false
	default:
		return len(u.items) < uploadBuffer || f.awaited()
	}
}

// awaited says whether somebody waits for what the client has yet to send.
func (f *flows) awaited() bool {
	for _, u := range f.uploads {
		if u.news != nil {
			return true
		}
	}
	return len(f.calls) > 0
}

// take hands an item of a client's stream over. It waits while too many wait.
func (c *Conn) take(m *message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	u := c.flows.uploads[m.invocationID]
	if u == nil {
		return nil
	}
	if !c.flows.fits(u, m.value) {
		c.mu.Unlock()
		err := c.hold(func(ctx context.Context) error { return c.makeRoom(ctx, u, m.value) })
		c.mu.Lock()
		if err != nil {
			return err
		}
	}
	if u.err == nil {
		u.items = append(u.items, m.value)
		c.flows.uploaded += len(m.value) + itemCost
		u.tell()
	}
	return nil
}

// makeRoom returns when an item fits, or its stream has been ended for it.
func (c *Conn) makeRoom(ctx context.Context, u *upload, item json.RawMessage) error {
	patience := time.NewTicker(c.hub.options.ClientTimeout)
	defer patience.Stop()
	overdue := c.overdue(u)
	for {
		moved := c.movedUnless(func(f *flows) bool { return f.fits(u, item) })
		if moved == nil {
			return nil
		}
		select {
		case <-moved:
		case <-patience.C:
			before := overdue
			if overdue = c.overdue(u); overdue == before && overdue > 0 {
				c.hub.options.Logger.Warn("stream of a client ended: its method does not read it",
					"connection", c.id, "user", c.identity.User)
				c.endUpload(u, errUnread)
			}
		case <-ctx.Done():
			return fmt.Errorf("wait for a method: %w", ctx.Err())
		}
	}
}

// movedUnless says where to wait until the flows have moved, nil if they are as they
// should be. It is for the reader, of which there is one.
func (c *Conn) movedUnless(settled func(*flows) bool) <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if settled(&c.flows) {
		return nil
	}
	c.flows.moved = make(chan struct{})
	return c.flows.moved
}

// overdue is the number of the item that a method has to read for others to go
// on, 0 if nobody waits.
func (c *Conn) overdue(u *upload) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.flows.awaited() {
		return 0
	}
	return u.read + 1
}

func (c *Conn) endUpload(u *upload, why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	u.end(why)
}

// cutOff is when the client is read no more: nobody waits for what it has to say.
func (c *Conn) cutOff() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flows.cut = true
	for _, u := range c.flows.uploads {
		u.end(ErrEnded)
	}
	for id, answer := range c.flows.calls {
		delete(c.flows.calls, id)
		close(answer)
	}
}
