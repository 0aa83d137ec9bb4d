package signalr

import (
	"context"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/time/rate"
)

const (
	linger     = 5 * time.Second // for a client to answer a closing handshake
	goneLinger = time.Second     // for a client to read the answer to its own
)

// Conn is one client's connection. All methods are safe for concurrent use, and
// harmless once the connection has ended.
//
// One goroutine serves it as long as nothing happens: begin until the handshake,
// then run, which reads, and ends last. Over server-sent events that is the
// request's own. Another one runs the methods that take turns while there are any;
// each stream, and each method that reads one, has its own; and one writes while
// the client has to read before more can be sent.
type Conn struct {
	hub      *Hub
	ticket   ticket
	via      Transport
	id       string
	identity Identity
	ctx      context.Context //nolint:containedctx // it is the connection's life
	cancel   context.CancelFunc
	started  time.Time

	carrier carrier
	raw     syscall.RawConn // of the carrier; nil: it only writes and waits
	records records
	pace    *rate.Limiter // of the client's invocations; nil: any

	helpers   sync.WaitGroup // all goroutines but run, and the streams'
	streaming sync.WaitGroup // the streams to the client, and the methods that read one of its own

	// Guarded by the fan-out.
	memberships []*member
	out         outgoing

	greeted atomic.Bool  // the handshake is done
	busy    atomic.Bool  // a method runs: the client's silence does not count
	held    atomic.Bool  // the client is not read for now: nor does it
	left    atomic.Bool  // the client has closed the socket, which nobody has read yet
	armed   atomic.Bool  // the client pings, so its silence counts
	format  format       // since the handshake
	refused bool         // by OnConnect; for the goroutine that runs the jobs alone
	heard   atomic.Int64 // when it was last heard, in nanoseconds since started
	sent    atomic.Int64 // when it was last written to, likewise
	expires atomic.Int64 // Unix nanoseconds; 0: never
	shown   atomic.Int64 // until when the newest token is good that the client has shown, likewise

	mu     sync.Mutex
	jobs   jobs
	flows  flows
	opened bool    // the socket is there
	reason *reason // why it ends; nil: it does not
	timers []*time.Timer
	clock  *time.Timer
	looks  time.Duration // when the clock is looked at next, since started; 0: it is just now
}

// reason is why and how a connection ends.
type reason struct {
	err            error  // for OnDisconnect; nil: someone wanted it
	text           string // for the client
	allowReconnect bool
	gone           bool // the client cannot be told
}

func newConn(h *Hub, t ticket, via Transport, who Identity) *Conn {
	ctx, cancel := context.WithCancel(context.Background())
	c := &Conn{
		hub:      h,
		ticket:   t,
		via:      via,
		format:   via.formats()[jsonProtocol],
		id:       h.tickets.publicID(t),
		identity: who,
		ctx:      ctx,
		cancel:   cancel,
		started:  time.Now(),
	}
	c.records = records{max: h.options.MaxMessage}
	if o := h.options; o.CallRate > 0 {
		c.pace = rate.NewLimiter(rate.Limit(o.CallRate), max(1, int(2*o.CallRate)))
	}
	c.busy.Store(true) // until OnConnect has returned
	c.expires.Store(unixNano(who.Expires))
	c.shown.Store(unixNano(who.Expires))
	return c
}

// ID is the connection's public name: knowing it gives no power over it. A client
// that negotiates version 1 or later knows it as its connectionId.
func (c *Conn) ID() string { return c.id }

// User is Identity().User.
func (c *Conn) User() string { return c.identity.User }

// Identity is what Identify said on connect.
func (c *Conn) Identity() Identity { return c.identity }

// Context ends with the connection.
func (c *Conn) Context() context.Context { return c.ctx }

// Send calls target at this client. It never waits; the error is about
// arguments that cannot be encoded.
func (c *Conn) Send(target string, args ...any) error {
	o, err := invocationOf("", target, args)
	if err != nil {
		return err
	}
	c.push(o)
	return nil
}

// SendWithin is Send if no more than so many bytes wait for the client then. It
// reports false, and sends nothing, if there would be more: the client reads
// too slowly for this message, and is not disconnected for it.
func (c *Conn) SendWithin(bytes int, target string, args ...any) (bool, error) {
	o, err := invocationOf("", target, args)
	if err != nil {
		return false, err
	}
	return c.hub.fanout.offer(c, c.format.encode(o), bytes), nil
}

// Close ends the connection at once; what was sent before is still delivered if
// the client reads it. A running method's context is done. The client is told
// why, unless that is empty, and with allowReconnect comes back if it was built
// to.
func (c *Conn) Close(why string, allowReconnect bool) {
	c.end(reason{text: why, allowReconnect: allowReconnect})
}

// SetExpiry sets when the connection ends by itself, with allowReconnect, so
// that the client comes back with a new token. The zero time and any after the
// year 2261: never. All until 1970 are one past, and Expiry says that of them.
// Where a client sends by requests, the connection ends with the newest token that
// these have shown at the latest, whose next one would be refused; and a newer one
// than any before puts the end off.
func (c *Conn) SetExpiry(t time.Time) {
	c.expires.Store(unixNano(t))
	c.look()
}

// Expiry is when the connection ends by itself. The zero time: never.
func (c *Conn) Expiry() time.Time {
	at := c.endsAt()
	if at == 0 {
		return time.Time{}
	}
	return time.Unix(0, at)
}

func (c *Conn) endsAt() int64 {
	at, shown := c.expires.Load(), c.shown.Load()
	if c.via != WebSockets && shown != 0 && (at == 0 || shown < at) {
		return shown
	}
	return at
}

// renew is a request of the client's, whose token may be newer than those before.
func (c *Conn) renew(who Identity) {
	if at := unixNano(who.Expires); putOff(&c.shown, at) {
		putOff(&c.expires, at)
		c.look()
	}
}

// putOff moves an instant to a later one, and says whether it was. 0 is never.
func putOff(from *atomic.Int64, to int64) bool {
	for {
		at := from.Load()
		if at == 0 || (to != 0 && to <= at) {
			return false
		}
		if from.CompareAndSwap(at, to) {
			return true
		}
	}
}

// unixNano is an instant in nanoseconds, and 0 for never: for what an int64 does
// not hold as well, if that is to come.
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

// push sends a message; a client too slow for it is disconnected.
func (c *Conn) push(o *outbound) {
	if !c.hub.fanout.put(c, c.format.encode(o)) {
		c.tooSlow()
	}
}

func (c *Conn) tooSlow() {
	c.end(reason{err: errSlow, text: "The client reads too slowly.", allowReconnect: true})
}

// finish ends the connection when what the client sent before is done, or when
// WriteTimeout has passed. The first ending counts.
func (c *Conn) finish(e reason) {
	if c.settle(e) {
		c.later(c.hub.options.WriteTimeout, c.cancel)
	}
	if e.gone {
		c.hub.fanout.abandon(c)
	}
	c.employ()
}

// end ends the connection at once.
func (c *Conn) end(e reason) {
	c.settle(e)
	c.hub.fanout.seal(c)
	c.cancel()
	c.hurry()
	c.employ()
}

// hurry has nobody wait for a handshake any more.
func (c *Conn) hurry() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.opened && !c.greeted.Load() {
		c.carrier.readBy(time.Now())
	}
}

func (c *Conn) settle(e reason) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reason != nil {
		return false
	}
	c.reason = &e
	return true
}

// retire is how a drain ends a connection: methods may finish, but nobody waits
// for a handshake.
func (c *Conn) retire(e reason) {
	if c.greeted.Load() {
		c.finish(e)
	} else {
		c.end(e)
	}
}

// later runs fn after a time, unless the connection has ended by then.
func (c *Conn) later(d time.Duration, fn func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.timers = append(c.timers, time.AfterFunc(d, fn))
}
