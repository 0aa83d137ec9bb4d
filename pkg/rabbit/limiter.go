package rabbit

import "sync"

// maxUnackedBytes limits the unacked bytes of a subscription, over all its queues. Prefetch alone
// cannot limit bytes: the broker counts messages, and sends as many large messages as it was
// allowed to send small ones, before the consumer knows their size. If the broker cannot send for
// half a minute, it closes the connection and requeues the messages; the next connection starts
// with a low prefetch.
const maxUnackedBytes = 32 << 20

// byteLimiter is the backpressure on the broker: it blocks readers while more than maxUnackedBytes are unacked. Bytes read earlier count,
// too: one message, and messages not yet passed on by the library. The zero byteLimiter is ready.
type byteLimiter struct {
	mu        sync.Mutex
	bytes     int64
	available chan struct{} // closed when reading may continue; nil while it may
	pauses    int64         // how often the limit was exceeded
}

// add adjusts the number of unacked bytes.
func (l *byteLimiter) add(bytes int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bytes += bytes
	switch exceeded := l.bytes > maxUnackedBytes; {
	case exceeded && l.available == nil:
		l.available = make(chan struct{})
		l.pauses++
	case !exceeded && l.available != nil:
		close(l.available)
		l.available = nil
	}
}

// wait blocks while the limit is exceeded, and reports whether it blocked.
func (l *byteLimiter) wait() (blocked bool) {
	for {
		l.mu.Lock()
		available := l.available
		l.mu.Unlock()
		if available == nil {
			return blocked
		}
		<-available
		blocked = true
	}
}

// disable lets readers pass from now on.
func (l *byteLimiter) disable() { l.add(-1 << 50) } // more bytes than are ever unacked

// state reports whether the limit is exceeded now, and how often it was.
func (l *byteLimiter) state() (exceeded bool, pauses int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.available != nil, l.pauses
}
