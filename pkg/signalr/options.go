package signalr

import (
	"crypto/rand"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Options of a hub. The zero value works: everyone from the hub's own origin is
// let in, anonymously, with the limits of the reference server.
type Options struct {
	// Identify says who asks, on each request of a connection; an error is
	// answered with 401. All of them must name the same user; the connection keeps
	// what the first one said, and lives as long as the newest. Nil: everyone is
	// anonymous. Browsers cannot set headers on a WebSocket or on server-sent events,
	// their token comes in the query as access_token: keep query strings out of the
	// access log.
	Identify func(*http.Request) (Identity, error)

	// AllowOrigin says whether a page from this request's origin may connect;
	// false is answered with 403. Nil: only pages from the request's own host,
	// and requests without an Origin header, which no browser sends. Returning
	// true for all lets any page on the web connect with its visitor's cookies.
	// Allowing another origin is not enough for its browser, which reads no answer
	// without CORS headers, and the hub sends none: put a CORS handler in front that
	// answers OPTIONS, echoes the origin, and allows credentials and the headers
	// authorization, content-type, x-requested-with and x-signalr-user-agent. Only a
	// WebSocket without negotiation needs none.
	AllowOrigin func(*http.Request) bool

	// Transports are those that clients may use; nil: all, in the order WebSockets,
	// ServerSentEvents, LongPolling. A WebSocket is one request, and may reach any
	// node with the same Key. With the other two, each message of the client is a
	// request of its own that must reach the node which has the connection: behind
	// a load balancer they need sticky sessions, or half of them get 404. Without
	// those, leave WebSockets alone here.
	Transports []Transport

	// KeepAlive is how long a connection may be silent before it is sent a ping,
	// 15 s by default. Clients give up after 30 s of silence, and proxies often
	// after 60: longer than half of that breaks idle connections.
	KeepAlive time.Duration

	// ClientTimeout is how long a client that pings may be silent, 30 s by
	// default. Clients ping every 15 s: less than twice that ends connections
	// over one late packet. It also is how long a method may leave a stream of the
	// client's unread while others wait for what is behind it.
	ClientTimeout time.Duration

	// HandshakeTimeout is how long a client may take for the handshake, 15 s by
	// default. Until then a socket costs memory and does nothing.
	HandshakeTimeout time.Duration

	// WriteTimeout is how long one write may take before the connection counts
	// as broken, 10 s by default. It also is the time that methods have left
	// when their client is gone or the hub drains.
	WriteTimeout time.Duration

	// PollTimeout is how long a long poll may wait before it is answered with
	// nothing, 90 s by default. It must be below the 100 s after which clients give
	// up, and with what a proxy on the way allows, often 60: what answers a poll at
	// the moment it is given up is lost.
	PollTimeout time.Duration

	// DisconnectTimeout is how long a client may leave between two polls, 15 s by
	// default. What is sent meanwhile waits; then the connection is broken.
	DisconnectTimeout time.Duration

	// MaxMessage is the largest message in bytes that a client may send, 32 KiB
	// by default; a larger one ends the connection. Each connection may hold
	// twice that.
	MaxMessage int

	// Backlog is how many bytes may wait for a client to read them, 1 MiB by
	// default. A client that falls further behind is disconnected and told to
	// reconnect. What went to a group is held once, however many have yet to read
	// it; what went to one client is that client's own.
	Backlog int

	// MaxConnections is how many connections may be open at once; more are
	// answered with 503. Zero: no limit but the process's file descriptors.
	MaxConnections int

	// MaxHandshakes is how many of them may not have shaken hands yet, and a tenth
	// of it (4 at least) how many of one user's; with more, one more is answered with
	// 503. It keeps those who connect and say nothing from taking all of
	// MaxConnections. Zero: no limit.
	MaxHandshakes int

	// CallRate is how many invocations a second one client may begin in the long
	// run, and twice as many at once. A faster client is read no faster than that,
	// which stops its sending. Zero: no limit.
	CallRate float64

	// AllowConnect says whether this request may make one more connection; false
	// is answered with 503. It is not asked about requests of a connection that is
	// there. Nil: any may.
	AllowConnect func(*http.Request) bool

	// Key signs connection tokens. Nil: a random one, which is right for one
	// process; behind a load balancer every node needs the same, or a client that
	// negotiates on one and connects to another gets 404.
	Key []byte

	// Logger is told of failing methods and broken connections, never of what
	// was said, unless a method's own error quotes it. What is a client's fault is
	// Debug. Nil: slog.Default.
	Logger *slog.Logger
}

// Identity is who is at the other end of a connection.
type Identity struct {
	User    string    // whom Hub.User reaches; empty: anonymous
	Expires time.Time // when the connection ends unless this is put off; zero: never
	Value   any       // whatever else Identify knows
}

func (o Options) withDefaults() Options {
	fill(&o.KeepAlive, 15*time.Second)
	fill(&o.ClientTimeout, 30*time.Second)
	fill(&o.HandshakeTimeout, 15*time.Second)
	fill(&o.WriteTimeout, 10*time.Second)
	fill(&o.MaxMessage, 32<<10)
	fill(&o.Backlog, 1<<20)
	fill(&o.PollTimeout, 90*time.Second)
	fill(&o.DisconnectTimeout, 15*time.Second)
	if o.Transports == nil {
		o.Transports = allTransports
	}
	if o.Identify == nil {
		o.Identify = func(*http.Request) (Identity, error) { return Identity{}, nil }
	}
	if o.AllowConnect == nil {
		o.AllowConnect = func(*http.Request) bool { return true }
	}
	if o.AllowOrigin == nil {
		o.AllowOrigin = sameOrigin
	}
	if o.Key == nil {
		o.Key = make([]byte, 32)
		_, _ = rand.Read(o.Key) // never fails: it ends the process instead
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

func fill[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func sameOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && strings.EqualFold(u.Host, r.Host)
}
