package signalr

import (
	"sync/atomic"
	"time"
)

// expiry is the time when a connection ends by itself: the earlier of a settable time and, where the
// client sends messages in requests, the expiry of the newest token of these requests. Both are Unix
// nanoseconds; 0 means never.
type expiry struct {
	limit    atomic.Int64
	token    atomic.Int64
	requests bool // the client sends messages in requests
}

func (e *expiry) init(via Transport, expires time.Time) {
	e.requests = via != WebSockets
	e.limit.Store(unixNano(expires))
	e.token.Store(unixNano(expires))
}

// time returns the zero time for never.
func (e *expiry) time() time.Time {
	at, token := e.limit.Load(), e.token.Load()
	if e.requests && token != 0 && (at == 0 || token < at) {
		at = token
	}
	if at == 0 {
		return time.Time{}
	}
	return time.Unix(0, at)
}

// renew notes the expiry of a request's token. A newer token than all before extends the connection; renew
// reports whether the token is newer.
func (e *expiry) renew(expires time.Time) bool {
	at := unixNano(expires)
	if !extend(&e.token, at) {
		return false
	}
	extend(&e.limit, at)
	return true
}

// extend moves an instant and reports whether the new instant is later. 0 is never.
func extend(from *atomic.Int64, to int64) bool {
	for at := from.Load(); at != 0 && (to == 0 || to > at); at = from.Load() {
		if from.CompareAndSwap(at, to) {
			return true
		}
	}
	return false
}

// unixNano returns an instant in Unix nanoseconds, 0 for the zero time and for instants beyond the
// range of an int64, and 1 for instants up to 1970.
func unixNano(t time.Time) int64 {
	switch {
	case t.IsZero(), t.Year() > 2261:
		return 0
	case !t.After(time.Unix(0, 0)):
		return 1
	default:
		return t.UnixNano()
	}
}
