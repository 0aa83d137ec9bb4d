package signalr

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"parley.internal/pkg/signalr/internal/fanout"
	"parley.internal/pkg/signalr/internal/token"
	"parley.internal/pkg/signalr/internal/transport"
	"parley.internal/pkg/signalr/internal/wire"
)

var errSlowConsumer = errors.New("client reads too slowly")

// Conn is the connection of a client. All methods are safe for concurrent use, and without effect once
// the connection has ended.
//
// A single goroutine serves an idle connection: serve until the handshake, and then run, until the end.
// Over server-sent events this is the goroutine of the request. The dispatcher has a goroutine while
// there are invocations to run, each stream and each method with a client stream has a goroutine, and
// the send queue has a goroutine while the socket buffer of a slow client is full.
type Conn struct {
	hub      *Hub
	tokenID  token.ID
	id       string
	via      Transport
	identity Identity
	ctx      context.Context //nolint:containedctx // the life of the connection
	cancel   context.CancelFunc

	transport  transport.Transport // nil until attach
	requests   *transport.Requests // the part of transport that reads the client's requests; nil: a WebSocket
	format     wire.Format         // JSON of the transport until the handshake
	records    wire.Records
	pace       *rate.Limiter // of invocations; nil: unlimited
	queue      fanout.Queue
	dispatcher dispatcher
	streams    streams
	keepAlive  keepAlive
	expiry     expiry

	mu     sync.Mutex
	state  state
	reason *closeReason // nil until closing
}

func newConn(h *Hub, id token.ID, via Transport, identity Identity) *Conn {
	c := &Conn{
		hub: h, tokenID: id, id: h.tokens.PublicID(id), via: via, identity: identity,
		format:  formats[via][wire.JSON],
		records: wire.Records{Max: h.options.MaxMessage},
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.queue.Init(h.fanout, (*queueOwner)(c))
	c.dispatcher.conn, c.streams.conn, c.keepAlive.conn = c, c, c
	c.keepAlive.methodStarted() // until OnConnect has returned
	c.expiry.init(via, identity.Expires)
	if o := h.options; o.CallRate > 0 {
		c.pace = rate.NewLimiter(rate.Limit(o.CallRate), max(1, int(2*o.CallRate)))
	}
	return c
}

// attach sets the transport and the deadline of the handshake, before the connection is served. From now
// on requests with the token reach the connection.
func (c *Conn) attach(t transport.Transport, requests *transport.Requests) {
	c.mu.Lock()
	c.transport = t
	timeout := c.hub.options.HandshakeTimeout
	if c.state != stateHandshaking { // the connection is closing
		timeout = 0
	}
	t.SetReadDeadline(time.Now().Add(timeout))
	c.mu.Unlock()
	c.records.Source = t
	if requests != nil { // Requests already find a WebSocket connection, and read the field.
		c.requests = requests
	}
	c.hub.tokens.Attach(c.tokenID, c)
}

// ID returns the public name of the connection: the name gives no power over the connection. Clients
// since negotiate version 1 know the name as their connectionId.
func (c *Conn) ID() string { return c.id }

// User returns Identity().User.
func (c *Conn) User() string { return c.identity.User }

// Identity returns the result of Options.Identify for the first request of the connection.
func (c *Conn) Identity() Identity { return c.identity }

// Context ends with the connection.
func (c *Conn) Context() context.Context { return c.ctx }

// Send calls target at this client. Send never waits; the error is an encoding error.
func (c *Conn) Send(target string, args ...any) error {
	m, err := wire.NewMessage(wire.Message{Kind: wire.Invocation, Target: target}, args...)
	if err != nil {
		return err
	}
	c.send(m)
	return nil
}

// SendWithin is Send if at most so many bytes wait for the client afterwards. Otherwise SendWithin
// sends nothing and returns false: the client reads too slowly for this message, and stays connected.
func (c *Conn) SendWithin(bytes int, target string, args ...any) (bool, error) {
	m, err := wire.NewMessage(wire.Message{Kind: wire.Invocation, Target: target}, args...)
	if err != nil {
		return false, err
	}
	return c.queue.Offer(c.format.Encode(m), bytes), nil
}

// send queues a message and closes the connection of a slow consumer.
func (c *Conn) send(m *wire.Message) {
	if !c.queue.Send(c.format.Encode(m)) {
		c.closeSlow()
	}
}

func (c *Conn) closeSlow() {
	c.close(closeReason{err: errSlowConsumer, text: "The client reads too slowly.", allowReconnect: true})
}

// Close ends the connection at once; earlier messages are still delivered if the client reads them. The
// context of a running method is cancelled. The client is told the reason unless why is empty, and with
// allowReconnect the client reconnects if built to do so.
func (c *Conn) Close(why string, allowReconnect bool) {
	c.close(closeReason{text: why, allowReconnect: allowReconnect})
}

// SetExpiry sets the time when the connection ends by itself, with allowReconnect, and the client
// reconnects with a new token. The zero time and any time after the year 2261 mean never. Times up to
// 1970 all count as the same past instant, and Expiry returns this instant. Where the client sends
// messages in requests, the connection ends with the newest token of these requests at the latest,
// because the next request would be rejected; a newer token than all before postpones the end.
func (c *Conn) SetExpiry(t time.Time) {
	c.expiry.limit.Store(unixNano(t))
	c.keepAlive.checkWithin(0)
}

// Expiry returns the time when the connection ends by itself. The zero time means never.
func (c *Conn) Expiry() time.Time { return c.expiry.time() }

// AfterCompletion runs fn once the calling method has succeeded and the completion is queued, before
// the next method takes its turn: messages from fn to this connection arrive right behind the result.
// If the result is a stream, fn runs beside the stream, from when the method has returned. Functions
// of the same method run in the order of registration. An error of fn is only logged.
//
// The connection cannot tell the running methods apart. Usually a single method runs, and fn belongs to
// this method. While other methods run beside it (see Incoming), fn waits for the completions of all
// methods running at the time of the call, and runs if any of them succeeded: the promised order still
// holds, with a delay. Called while no method runs,
// AfterCompletion runs fn at once.
func (c *Conn) AfterCompletion(fn func(context.Context) error) {
	if !c.dispatcher.addHook(fn) {
		c.runHook(fn, "AfterCompletion")
	}
}

// queueOwner is a Conn in the role of the owner of a send queue.
type queueOwner Conn

// WriteWait implements fanout.Connection.
func (o *queueOwner) WriteWait(batch [][]byte, wrote func(bytes int)) error {
	return o.transport.WriteWait(batch, wrote)
}

// WriteFailed closes the connection after a failed write.
func (o *queueOwner) WriteFailed(err error) {
	c := (*Conn)(o)
	reason := closeReason{err: err, unreachable: true, graceful: true}
	if transport.IsTimeout(err) {
		c.close(reason)
		c.transport.Close()
		return
	}
	// The client's close frame may be unread yet, and explains the end better than the failed write.
	c.transport.ExpectClose(time.Second)
	c.keepAlive.after(closeTimeout, func() { c.close(reason) })
}

// connOf returns the connection of a queue.
func connOf(owner fanout.Connection) *Conn {
	return (*Conn)(owner.(*queueOwner)) //nolint:forcetypeassert // every queue belongs to a Conn
}
