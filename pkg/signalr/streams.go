package signalr

import (
	"context"
	"iter"
	"sync"
	"time"

	"parley.internal/pkg/signalr/internal/wire"
)

const (
	maxStreams   = 32          // of a connection, in both directions
	streamWindow = 64 << 10    // waiting bytes from which on the streams to a client pause
	slotTimeout  = time.Second // for cancelled streams to end when there are too many
)

const errTooManyStreams = HubError("too many streams at once")

// streams are the streams of a connection in both directions, and the pending results of calls to the
// client.
type streams struct {
	conn *Conn

	mu        sync.Mutex
	incoming  map[string]*clientStream
	buffered  int // bytes of unread items, including itemCost each
	outgoing  map[string]*serverStream
	cancelled int                             // of outgoing: the client has cancelled them
	results   map[string]chan<- *wire.Message // of calls to the client
	calls     int                             // to the client so far
	closed    bool                            // the client is no longer read
	changed   chan struct{}                   // closed at the next change; nil: the reader does not wait
}

// serverStream is a stream to the client.
type serverStream struct {
	cancel    context.CancelFunc
	cancelled bool
}

// slots returns the number of streams of an invocation.
func (i *invocation) slots() int {
	if i.message.Kind == wire.StreamInvocation {
		return len(i.message.Streams) + 1
	}
	return len(i.message.Streams)
}

// hasSlots reports whether the streams of an invocation may begin. The caller holds mu.
func (s *streams) hasSlots(i *invocation) bool {
	slots := i.slots()
	return slots == 0 || len(s.incoming)+len(s.outgoing)+slots <= maxStreams
}

// waitForSlots pauses reading for a while if the streams of an invocation have to wait for the end of
// cancelled streams.
func (s *streams) waitForSlots(i *invocation) error {
	if i.slots() == 0 {
		return nil
	}
	settled := func() bool { return s.hasSlots(i) || s.cancelled == 0 }
	if s.changedUnless(settled) == nil {
		return nil
	}
	return s.conn.pauseReading(func(ctx context.Context) error {
		return s.waitUntil(ctx, slotTimeout, settled, func() bool { return true })
	})
}

// waitUntil waits for a condition. Each time the timeout has passed, giveUp decides whether to wait no longer.
func (s *streams) waitUntil(ctx context.Context, timeout time.Duration, condition, giveUp func() bool) error {
	timer := time.NewTicker(timeout)
	defer timer.Stop()
	for {
		changed := s.changedUnless(condition)
		if changed == nil {
			return nil
		}
		select {
		case <-changed:
		case <-timer.C:
			if giveUp() {
				return nil
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// changedUnless returns nil if a condition holds, else a channel that is closed at the next change.
// Only the reader calls changedUnless. The condition is called with mu held.
func (s *streams) changedUnless(condition func() bool) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if condition() {
		return nil
	}
	s.changed = make(chan struct{})
	return s.changed
}

// wakeReader is called after changes in favour of a waiting reader. The caller holds mu.
func (s *streams) wakeReader() {
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

// open registers the streams of an invocation and sets the invocation's context. Items may arrive
// before the invocation's turn.
func (s *streams) open(i *invocation) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := i.message
	if m.Kind == wire.StreamInvocation {
		if _, used := s.outgoing[m.ID]; used {
			return errIDInUse
		}
	}
	if !s.hasSlots(i) {
		return errTooManyStreams
	}
	for n, id := range m.Streams {
		if _, used := s.incoming[id]; used {
			for _, opened := range m.Streams[:n] {
				delete(s.incoming, opened)
			}
			return errArguments
		}
		put(&s.incoming, id, &clientStream{streams: s})
	}
	i.ctx = s.conn.ctx
	if m.Kind == wire.StreamInvocation {
		stream := &serverStream{}
		i.ctx, stream.cancel = context.WithCancel(s.conn.ctx)
		put(&s.outgoing, m.ID, stream)
	}
	return nil
}

func put[V any](m *map[string]V, key string, value V) {
	if *m == nil {
		*m = make(map[string]V)
	}
	(*m)[key] = value
}

// release forgets the streams of an invocation.
func (s *streams) release(i *invocation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range i.message.Streams {
		if stream := s.incoming[id]; stream != nil {
			stream.drop()
			delete(s.incoming, id)
		}
	}
	if i.message.Kind == wire.StreamInvocation {
		stream := s.outgoing[i.message.ID]
		stream.cancel()
		if stream.cancelled {
			s.cancelled--
		}
		delete(s.outgoing, i.message.ID)
		s.wakeReader()
	}
}

// find returns a client stream, or nil for an unknown ID.
func (s *streams) find(id string) *clientStream {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.incoming[id]
}

// complete handles the end of a client stream, or the result of a call to the client.
func (s *streams) complete(m *wire.Message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if result, pending := s.results[m.ID]; pending {
		delete(s.results, m.ID)
		result <- m // has a buffer for the message
		return
	}
	if stream := s.incoming[m.ID]; stream != nil {
		err := errStreamEnd
		if m.Error != "" {
			err = ClientError(m.Error)
		}
		stream.end(err) // without effect if the stream has ended
	}
}

// cancel cancels a stream to the client.
func (s *streams) cancel(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if stream := s.outgoing[id]; stream != nil && !stream.cancelled {
		stream.cancel()
		stream.cancelled = true
		s.cancelled++
	}
}

// close is called when the client is no longer read: waiting methods and calls end.
func (s *streams) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, stream := range s.incoming {
		stream.end(ErrEnded)
	}
	for id, result := range s.results {
		delete(s.results, id)
		close(result)
	}
}

// stream sends the items of a stream at the pace of the client, and the completion.
func (i *invocation) stream(items iter.Seq2[any, error]) {
	err := protect(func() error {
		for item, err := range items {
			if err == nil {
				err = i.sendItem(item)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	text := ""
	if err != nil && i.ctx.Err() == nil {
		i.conn.logFailure(i.message.Target, err)
		text = withHubError("An error occurred on the server while streaming results.", err)
	}
	i.conn.streams.release(i) // before the completion: the client may use the ID again
	i.conn.send(wire.NewCompletion(i.message.ID, text))
}

// sendItem waits until there is room for an item.
func (i *invocation) sendItem(item any) error {
	m, err := wire.NewMessage(wire.Message{Kind: wire.StreamItem, ID: i.message.ID}, item)
	if err != nil {
		return err
	}
	frame := i.conn.format.Encode(m)
	for i.ctx.Err() == nil {
		room, accepted := i.conn.queue.OfferOrWait(frame, streamWindow)
		if accepted {
			return nil
		}
		if room == nil {
			i.conn.streams.cancel(i.message.ID) // ends the context of the method
			return ErrEnded
		}
		select {
		case <-room:
		case <-i.ctx.Done():
		}
	}
	return i.ctx.Err()
}
