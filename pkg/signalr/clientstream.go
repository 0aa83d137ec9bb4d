package signalr

import (
	"context"
	"encoding/json"
	"errors"

	"parley.internal/pkg/signalr/internal/wire"
)

const (
	itemBuffer  = 10        // unread items of a client stream
	itemsWindow = 256 << 10 // bytes of unread items of all streams of a connection, including itemCost
	itemCost    = 64        // bytes of bookkeeping for an unread item
)

var (
	errStreamEnd  = errors.New("signalr: end of stream")
	errReturned   = errors.New("signalr: the method of this stream has returned")
	errUnreadLong = HubError("The stream was not read for too long, and others had to wait.")
)

// clientStream is a stream from a client to a method. Guarded by streams.mu.
type clientStream struct {
	streams *streams
	items   []json.RawMessage // unread
	err     error             // the end of the stream; nil: more items may arrive
	changed chan struct{}     // closed at the next change; nil: the method does not wait
	read    int               // items read so far
}

// next returns the next item, or errStreamEnd at the end.
func (u *clientStream) next(ctx context.Context) (json.RawMessage, error) {
	for {
		item, changed, err := u.take()
		if changed == nil {
			return item, err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			u.stopWaiting(changed)
			return nil, ctx.Err()
		case <-u.streams.conn.ctx.Done():
			return nil, ErrEnded
		}
	}
}

// take returns the next item, the end of the stream, or a channel to wait on.
func (u *clientStream) take() (item json.RawMessage, changed <-chan struct{}, err error) {
	s := u.streams
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(u.items) > 0 {
		item = u.items[0]
		u.items[0] = nil
		u.items = u.items[1:]
		u.read++
		s.buffered -= len(item) + itemCost
		s.wakeReader()
		return item, nil, nil
	}
	if u.err != nil {
		return nil, nil, u.err
	}
	if u.changed == nil {
		u.changed = make(chan struct{})
		s.wakeReader() // a waiting method lets the reader buffer more
	}
	return nil, u.changed, nil
}

// stopWaiting is called by a method that gives up. Other waiting goroutines look again.
func (u *clientStream) stopWaiting(changed <-chan struct{}) {
	u.streams.mu.Lock()
	defer u.streams.mu.Unlock()
	if u.changed == changed {
		u.wake()
	}
}

// The callers of the methods below hold streams.mu.

func (u *clientStream) wake() {
	if u.changed != nil {
		close(u.changed)
		u.changed = nil
	}
}

// end ends the stream for a reason, unless the stream has ended.
func (u *clientStream) end(reason error) {
	if u.err == nil {
		u.err = reason
		u.wake()
	}
}

// drop ends the stream when its method has returned, and drops the unread items.
func (u *clientStream) drop() {
	for _, item := range u.items {
		u.streams.buffered -= len(item) + itemCost
	}
	u.items = nil
	u.end(errReturned)
	u.streams.wakeReader()
}

// fits reports whether another item may be buffered. An item for a waiting method, or for a stream that
// has ended, always fits.
func (s *streams) fits(u *clientStream, item json.RawMessage) bool {
	switch {
	case len(u.items) == 0, u.err != nil:
		return true
	case s.buffered+len(item)+itemCost > itemsWindow:
		return false
	default:
		return len(u.items) < itemBuffer || s.awaited()
	}
}

// awaited reports whether a method or a call waits for later messages of the client.
func (s *streams) awaited() bool {
	for _, u := range s.incoming {
		if u.changed != nil {
			return true
		}
	}
	return len(s.results) > 0
}

// receiveItem buffers an item of a client stream, and waits while too many are buffered.
func (s *streams) receiveItem(m *wire.Message) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.incoming[m.ID]
	if u == nil {
		return nil
	}
	if !s.fits(u, m.Value) {
		s.mu.Unlock()
		err := s.conn.pauseReading(func(ctx context.Context) error { return s.waitForRoom(ctx, u, m.Value) })
		s.mu.Lock()
		if err != nil {
			return err
		}
	}
	if u.err == nil {
		u.items = append(u.items, m.Value)
		s.buffered += len(m.Value) + itemCost
		u.wake()
	}
	return nil
}

// waitForRoom waits until an item fits. A stream that the method does not read for ClientTimeout while
// others wait is ended.
func (s *streams) waitForRoom(ctx context.Context, u *clientStream, item json.RawMessage) error {
	fits := func() bool { return s.fits(u, item) }
	overdue := s.overdue(u)
	return s.waitUntil(ctx, s.conn.hub.options.ClientTimeout, fits, func() bool {
		before := overdue
		if overdue = s.overdue(u); overdue == before && overdue > 0 {
			s.conn.hub.options.Logger.Warn("unread client stream ended", "connection", s.conn.id, "user", s.conn.identity.User)
			s.endUnread(u)
		}
		return false // an item fits into an ended stream
	})
}

// overdue returns the number of the item that blocks others until the method reads the item, or 0 if no
// method or call waits.
func (s *streams) overdue(u *clientStream) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.awaited() {
		return 0
	}
	return u.read + 1
}

func (s *streams) endUnread(u *clientStream) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u.end(errUnreadLong)
}
