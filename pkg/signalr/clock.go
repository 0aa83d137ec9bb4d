package signalr

import (
	"errors"
	"time"

	"github.com/gorilla/websocket"
)

// startClock begins to watch the connection.
func (c *Conn) startClock() {
	now := time.Now()
	first := min(c.watch(now), c.keepAlive(now))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clock, c.looks = time.AfterFunc(first, c.tick), now.Sub(c.started)+first
}

// look has the clock looked at now.
func (c *Conn) look() { c.lookWithin(0) }

// lookWithin has the clock looked at no later.
func (c *Conn) lookWithin(d time.Duration) {
	at := time.Since(c.started) + d
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.clock != nil && c.reason == nil && (c.looks == 0 || at < c.looks) {
		c.clock.Reset(d)
		c.looks = at
	}
}

// tick ends a connection whose time is over, and pings one that nothing else was
// sent to.
func (c *Conn) tick() {
	c.mu.Lock()
	c.looks = 0 // Whoever wants it looked at from here on sets it again.
	c.mu.Unlock()
	now := time.Now()
	c.lookWithin(min(c.watch(now), c.keepAlive(now)))
}

// keepAlive says when to look again.
func (c *Conn) keepAlive(now time.Time) time.Duration {
	every := c.hub.options.KeepAlive
	if !c.via.needsPings() {
		return every
	}
	if left := every - now.Sub(c.started) + time.Duration(c.sent.Load()); left > 0 {
		return left
	}
	c.hub.fanout.offer(c, pingFrames[c.format], 0) // What waits is as good.
	return every
}

// heldLook is how often a client that is not read for now is looked after.
const heldLook = time.Second

// watch ends a connection that is expired or silent for too long, or soon one
// that nobody will read to its end, and says when to look again.
func (c *Conn) watch(now time.Time) time.Duration {
	wait := c.hub.options.ClientTimeout
	if c.armed.Load() && !c.busy.Load() && !c.held.Load() {
		wait -= c.silence(now)
		if wait <= 0 {
			c.end(reason{err: errSilent, text: closedWithError(errSilent), allowReconnect: true})
		}
	}
	if c.held.Load() {
		wait = min(wait, heldLook)
		if hungUp(c.raw) && !c.left.Swap(true) {
			c.later(c.hub.options.WriteTimeout, c.cancel)
		}
	}
	if at := c.endsAt(); at != 0 {
		left := time.Unix(0, at).Sub(now)
		if left <= 0 {
			c.end(reason{text: "The connection's token has expired.", allowReconnect: true})
		}
		wait = min(wait, left)
	}
	return wait
}

// lose finishes a connection that cannot be written to.
func (c *Conn) lose(err error) {
	if isTimeout(err) {
		c.finish(reason{err: err, gone: true})
		c.carrier.hangUp()
		return
	}
	// The client's own goodbye may be waiting to be read: it says better what
	// happened than a write that came too late.
	c.carrier.expectEnd(time.Second)
	if !errors.Is(err, websocket.ErrCloseSent) {
		c.later(linger, func() { c.finish(reason{err: err, gone: true}) })
	}
}
