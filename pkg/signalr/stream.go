package signalr

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
)

const (
	mostStreams  = 32       // that a connection has at once, in both directions
	uploadBuffer = 10       // items of a client's stream that wait for the method
	streamWindow = 64 << 10 // bytes that may wait for a client before its streams go on
)

// Incoming is a stream that a client sends along with an invocation, as a
// parameter of the method. It is read at the method's pace: no more than a few
// items wait, and while they do the client is not read. What a method leaves of
// it is forgotten when the method returns.
type Incoming[T any] struct{ upload *upload }

// All are the items as they come. An error is the last: the client's own, one
// about an item that is no T, or that the connection or ctx has ended.
func (s Incoming[T]) All(ctx context.Context) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			var item T
			raw, err := s.upload.next(ctx)
			if errors.Is(err, errStreamEnd) {
				return
			}
			if err == nil {
				err = json.Unmarshal(raw, &item)
			}
			if !yield(item, err) || err != nil {
				return
			}
		}
	}
}

func (s *Incoming[T]) attach(u *upload) { s.upload = u }

// attacher is a parameter that is a stream.
type attacher interface{ attach(u *upload) }

var (
	errStreamEnd = errors.New("signalr: end of stream")
	errStreams   = fmt.Errorf("%w: too many streams at once", errArguments)
)

// upload is a client's stream on its way to a method.
type upload struct {
	items chan json.RawMessage
	ended chan struct{} // closed when the client has said so, or has gone
	over  chan struct{} // closed when nobody reads it any more
	err   error         // of the client; set before ended is closed
}

func newUpload() *upload {
	return &upload{items: make(chan json.RawMessage, uploadBuffer), ended: make(chan struct{}), over: make(chan struct{})}
}

// next is the next item; errStreamEnd if there are no more.
func (u *upload) next(ctx context.Context) (json.RawMessage, error) {
	select {
	case item := <-u.items:
		return item, nil
	default:
	}
	select {
	case item := <-u.items:
		return item, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-u.ended:
	}
	select {
	case item := <-u.items:
		return item, nil
	default:
		return nil, u.err
	}
}

// end is the client's end of the stream.
func (u *upload) end(failure string) {
	if u.err = errStreamEnd; failure != "" {
		u.err = ClientError(failure)
	}
	close(u.ended)
}

// flows are a connection's streams and the calls to its client that are under
// way. Conn.mu guards them.
type flows struct {
	uploads   map[string]*upload
	downloads map[string]context.CancelFunc
	calls     map[string]chan<- *message
	named     int // calls so far
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
	if more := m.flows(); more > 0 && len(f.uploads)+len(f.downloads)+more > mostStreams {
		return errStreams
	}
	for i, id := range m.streams {
		if _, used := f.uploads[id]; used {
			for _, opened := range m.streams[:i] {
				delete(f.uploads, opened)
			}
			return errArguments
		}
		put(&f.uploads, id, newUpload())
	}
	m.ctx = c.ctx
	if m.kind == kindStreamInvocation {
		ctx, cancel := context.WithCancel(c.ctx)
		m.ctx = ctx
		put(&f.downloads, m.invocationID, cancel)
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
			close(u.over)
			delete(c.flows.uploads, id)
		}
	}
	if m.kind == kindStreamInvocation {
		c.flows.downloads[m.invocationID]()
		delete(c.flows.downloads, m.invocationID)
	}
}

// upload finds a client's stream, nil if nobody reads it.
func (c *Conn) upload(id string) *upload {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.flows.uploads[id]
}

// take hands an item of a client's stream over. It waits while too many wait.
func (c *Conn) take(m *message) {
	u := c.upload(m.invocationID)
	if u == nil {
		return
	}
	select {
	case u.items <- m.value:
		return
	default:
	}
	c.hold(func(ctx context.Context) error {
		select {
		case u.items <- m.value:
		case <-u.over:
		case <-ctx.Done():
		}
		return nil
	})
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
		select {
		case <-u.ended: // said twice
		default:
			u.end(m.failure)
		}
	}
}

// cancelStream is a client that has heard enough of a stream.
func (c *Conn) cancelStream(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if cancel, runs := c.flows.downloads[id]; runs {
		cancel()
	}
}

// stream sends items until there are no more, at the pace of the client.
func (c *Conn) stream(m *message, items iter.Seq2[any, error]) {
	err := c.hub.guard(func() error {
		for item, err := range items {
			if err == nil {
				err = c.sendItem(m, item)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	text := ""
	if err != nil && m.ctx.Err() == nil {
		c.logFailure(m.target, err)
		text = withHubError("An error occurred on the server while streaming results.", err)
	}
	c.shut(m) // The client may use the id again.
	c.push(failureOf(m.invocationID, text))
}

// sendItem waits for the client to read what was sent to it before.
func (c *Conn) sendItem(m *message, item any) error {
	value, err := valueOf(item)
	if err != nil {
		return err
	}
	frame := c.format.encode(&outbound{kind: kindStreamItem, id: m.invocationID, value: value})
	for m.ctx.Err() == nil {
		room := c.hub.fanout.offerOrWait(c, frame, streamWindow)
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
