package signalr

import (
	"errors"
	"time"

	"github.com/gorilla/websocket"
)

// batchSize is how many bytes of waiting records go into one WebSocket message.
const batchSize = 16 << 10

// write sends what is queued, pings a connection on which nothing else is sent,
// and watches its clocks.
func (c *Conn) write() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	sent := time.Now()
	for {
		more, err := c.flush(time.Now().Add(c.hub.options.WriteTimeout))
		now := time.Now()
		switch {
		case more:
			sent = now
		case err == nil && now.Sub(sent) >= c.hub.options.KeepAlive:
			err = c.socket.write(now.Add(c.hub.options.WriteTimeout), pingRecord)
			sent = now
		}
		if err != nil {
			c.lose(err)
			return
		}
		wait := min(c.hub.options.KeepAlive-now.Sub(sent), c.watch(now))
		if more && c.ctx.Err() == nil {
			continue
		}
		timer.Reset(wait)
		select {
		case <-c.ctx.Done():
			c.farewell()
			return
		case <-c.queue.wake:
		case <-timer.C:
		}
	}
}

// flush writes one batch, and says whether there was one.
func (c *Conn) flush(deadline time.Time) (bool, error) {
	records, bytes := c.queue.take(batchSize)
	if len(records) == 0 {
		return false, nil
	}
	defer c.queue.written(bytes)
	return true, c.socket.write(deadline, records...)
}

// watch ends a connection that is expired or silent for too long, and says when
// to look again.
func (c *Conn) watch(now time.Time) time.Duration {
	wait := c.hub.options.ClientTimeout
	if c.armed.Load() && !c.busy.Load() {
		wait -= c.silence(now)
		if wait <= 0 {
			c.end(ending{err: errSilent, text: closedWithError(errSilent), allowReconnect: true})
		}
	}
	if at := c.expires.Load(); at != 0 {
		left := time.Unix(0, at).Sub(now)
		if left <= 0 {
			c.end(ending{text: "The connection's token has expired.", allowReconnect: true})
		}
		wait = min(wait, left)
	}
	return wait
}

// lose finishes a connection that cannot be written to.
func (c *Conn) lose(err error) {
	c.queue.drop()
	if isTimeout(err) {
		c.finish(ending{err: err, gone: true})
		c.socket.hangUp()
		return
	}
	// The client's own goodbye may be waiting to be read: it says better what
	// happened than a write that came too late.
	c.socket.expectEnd(time.Second)
	if errors.Is(err, websocket.ErrCloseSent) {
		return
	}
	select {
	case <-c.closing:
	case <-time.After(linger):
		c.finish(ending{err: err, gone: true})
	}
}

// farewell writes what still waits and tells the client why it is left.
func (c *Conn) farewell() {
	e := c.ending
	if e.gone {
		c.socket.hangUp()
		return
	}
	deadline := time.Now().Add(c.hub.options.WriteTimeout)
	for {
		more, err := c.flush(deadline)
		if err != nil {
			c.socket.hangUp()
			return
		}
		if !more {
			break
		}
	}
	if err := c.socket.write(deadline, encodeClose(e.text, e.allowReconnect)); err != nil {
		c.socket.hangUp()
		return
	}
	c.socket.sayGoodbye(deadline, linger)
}
