package signalr

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"parley.internal/pkg/signalr/internal/transport"
)

var errSilent = errors.New("client is silent")

// pausedCheck is the interval of checks while reading is paused.
const pausedCheck = time.Second

// keepAlive has the timers of a connection: pings to the client, the timeout of a silent client and the
// expiry of the connection. A single timer serves all three and fires at the earliest of them.
type keepAlive struct {
	conn *Conn

	lastRead   atomic.Int64 // nanoseconds since the start of the hub
	expecting  atomic.Bool  // the client sends pings: silence counts
	running    atomic.Bool  // a method runs: silence does not count
	paused     atomic.Bool  // reading is paused: silence does not count
	peerClosed atomic.Bool  // the client has closed the socket, and unread bytes precede the close frame

	mu        sync.Mutex
	timer     *time.Timer   // of the next check; nil: not started
	next      time.Duration // time of the next check since the start of the hub; 0: a check is running
	stopped   bool          // no more checks
	deadlines []*time.Timer // of after
}

// start begins the checks of an open connection.
func (k *keepAlive) start() {
	k.mu.Lock()
	if !k.stopped {
		k.timer = time.AfterFunc(k.conn.hub.options.KeepAlive, k.tick)
	}
	k.mu.Unlock()
	k.tick()
}

// checkWithin runs the next check after d at the latest.
func (k *keepAlive) checkWithin(d time.Duration) {
	at := time.Since(k.conn.hub.started) + d
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.timer != nil && !k.stopped && (k.next == 0 || at < k.next) {
		k.timer.Reset(d)
		k.next = at
	}
}

// tick runs a check and schedules the next check.
func (k *keepAlive) tick() {
	k.mu.Lock()
	k.next = 0 // a call of checkWithin from here on sets the timer
	k.mu.Unlock()
	now := time.Now()
	k.checkWithin(min(k.checkTimeouts(now), k.checkPing(now)))
}

// checkPing sends a ping if nothing else has been sent for KeepAlive, and returns the time until the
// next check.
func (k *keepAlive) checkPing(now time.Time) time.Duration {
	every := k.conn.hub.options.KeepAlive
	if k.conn.via == LongPolling { // a poll ends by itself, and a client without a poll has gone
		return every
	}
	if left := every - now.Sub(k.conn.queue.LastWrite()); left > 0 {
		return left
	}
	k.conn.queue.Offer(k.conn.format.Ping(), 0) // waiting frames serve as a ping
	return every
}

// checkTimeouts closes an expired connection and a connection of a silent client, soon cancels the
// methods of a client with a closed socket, and returns the time until the next check.
func (k *keepAlive) checkTimeouts(now time.Time) time.Duration {
	o := &k.conn.hub.options
	wait := o.ClientTimeout
	if k.expecting.Load() && !k.running.Load() && !k.paused.Load() {
		wait -= now.Sub(k.conn.hub.started) - time.Duration(k.lastRead.Load())
		if wait <= 0 {
			k.conn.close(closeReason{err: errSilent, text: closedWithError(errSilent), allowReconnect: true})
		}
	}
	if k.paused.Load() {
		wait = min(wait, pausedCheck)
		if s, ok := k.conn.transport.(*transport.WebSocket); ok && s.PeerClosed() && !k.peerClosed.Swap(true) {
			k.after(o.WriteTimeout, k.conn.cancel)
		}
	}
	if at := k.conn.expiry.time(); !at.IsZero() {
		left := at.Sub(now)
		if left <= 0 {
			k.conn.close(closeReason{text: "The connection's token has expired.", allowReconnect: true})
		}
		wait = min(wait, left)
	}
	return wait
}

// expectPings arms the client timeout, after the first ping of the client.
func (k *keepAlive) expectPings() {
	if !k.expecting.Swap(true) {
		k.checkWithin(0)
	}
}

// noteRead resets the silence of the client.
func (k *keepAlive) noteRead() { k.lastRead.Store(int64(time.Since(k.conn.hub.started))) }

// pause suspends the client timeout while reading is paused.
func (k *keepAlive) pause() {
	k.paused.Store(true)
	k.checkWithin(pausedCheck)
}

func (k *keepAlive) resume() {
	k.noteRead()
	k.paused.Store(false)
}

// methodStarted suspends the client timeout while a method runs.
func (k *keepAlive) methodStarted() { k.running.Store(true) }

func (k *keepAlive) methodEnded() {
	k.noteRead()
	k.running.Store(false)
}

// after runs fn after d, unless the connection has ended by then.
func (k *keepAlive) after(d time.Duration, fn func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.deadlines = append(k.deadlines, time.AfterFunc(d, fn))
}

// stopChecks ends the checks when the connection closes.
func (k *keepAlive) stopChecks() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.stopped = true
	if k.timer != nil {
		k.timer.Stop()
	}
}

// stop frees all timers.
func (k *keepAlive) stop() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, t := range k.deadlines {
		t.Stop()
	}
}
