package signalr

import (
	"cmp"
	"crypto/rand"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Options configure a hub. The zero value works: every client from the hub's own origin is admitted,
// anonymously, with the limits of the reference server.
type Options struct {
	// Identify returns the identity of the client, for each request of a connection; an error is
	// answered with 401. All requests of a connection must have the same user; the connection keeps
	// the identity of the first request and lives as long as the newest token allows. Nil: all clients
	// are anonymous. Browsers cannot set headers on a WebSocket or on server-sent events, so their
	// token is the query parameter access_token: keep query strings out of the access log.
	Identify func(*http.Request) (Identity, error)

	// AllowOrigin reports whether a page from the request's origin may connect; false is answered with
	// 403. Nil: only pages from the request's own host, and requests without an Origin header, because
	// every browser sends the header. Returning true for all origins lets any page on the web connect
	// with the cookies of its visitors. A browser also needs CORS headers to read answers for another
	// origin, and the hub sends none: put a CORS handler in front that answers OPTIONS, echoes the
	// origin, and allows credentials and the headers authorization, content-type, x-requested-with and
	// x-signalr-user-agent. Only a WebSocket without negotiation works without CORS headers.
	AllowOrigin func(*http.Request) bool

	// Transports are the transports for clients; nil: all, in the order WebSockets, ServerSentEvents,
	// LongPolling. A WebSocket is a single request and may reach any node with the same Key. With the
	// other two, each message of the client is a request of its own and must reach the node that has
	// the connection: behind a load balancer they need sticky sessions, or half of the requests get
	// 404. Without sticky sessions, allow WebSockets alone.
	Transports []Transport

	// KeepAlive is the time without messages after which the hub sends a ping, 15 s by default. Clients
	// give up after 30 s of silence, and proxies often after 60 s: more than half of that breaks idle
	// connections.
	KeepAlive time.Duration

	// ClientTimeout is the longest silence of a client that sends pings, 30 s by default. Clients send
	// a ping every 15 s: less than twice that ends connections over a single late packet.
	// ClientTimeout is also the time for which a method may leave a client stream unread while others
	// wait behind it.
	ClientTimeout time.Duration

	// HandshakeTimeout is the time for the handshake, 15 s by default. A socket before its handshake
	// costs memory and does nothing.
	HandshakeTimeout time.Duration

	// WriteTimeout is the time for a single write, 10 s by default; after that the connection is
	// broken. WriteTimeout is also the time that running methods have left when their client has gone
	// or the hub drains.
	WriteTimeout time.Duration

	// PollTimeout is the time after which a long poll without messages is answered, 90 s by default. It
	// must be shorter than the 100 s after which clients give up, and shorter than the timeout of every
	// proxy on the way, often 60 s: an answer to a poll that has just been given up is lost.
	PollTimeout time.Duration

	// DisconnectTimeout is the longest gap between two polls, 15 s by default. Messages wait during the
	// gap; after a longer gap the connection is broken.
	DisconnectTimeout time.Duration

	// MaxMessage is the largest message from a client in bytes, 32 KiB by default; a larger message
	// ends the connection. Each connection may hold twice that in memory.
	MaxMessage int

	// Backlog is the number of bytes that may wait for a client, 1 MiB by default. A slow consumer with
	// more waiting bytes is disconnected and told to reconnect. A message to a group is stored once for
	// all members that have yet to read it; a message to a single client is stored for that client.
	Backlog int

	// MaxConnections is the number of open connections; one more is answered with 503. Zero: no limit
	// except the process's file descriptors.
	MaxConnections int

	// MaxHandshakes is the number of connections before their handshake, and a tenth of it (at least
	// 4) is the number of these connections per user; one more is answered with 503. The limit keeps
	// silent clients from using up MaxConnections. Zero: no limit.
	MaxHandshakes int

	// CallRate is the number of invocations per second that a client may begin in the long run, with
	// bursts of twice that. The hub reads no faster from a faster client, which slows the client down:
	// backpressure. Zero: no limit.
	CallRate float64

	// AllowConnect reports whether a request may start another connection; false is answered with 503.
	// AllowConnect is not called for requests of existing connections. Nil: all requests may.
	AllowConnect func(*http.Request) bool

	// Key signs connection tokens. Nil: a random key, right for a single process. Behind a load
	// balancer every node needs the same key: otherwise a client that negotiates on one node and
	// connects to another gets 404.
	Key []byte

	// Logger receives failing methods and broken connections, never the contents of messages, unless a
	// method's own error quotes them. Mistakes of clients are logged as Debug. Nil: slog.Default.
	Logger *slog.Logger
}

// Identity identifies the client of a connection.
type Identity struct {
	User    string    // the user for Hub.User; empty: anonymous
	Expires time.Time // when the connection ends unless postponed; zero: never
	Value   any       // for the program's own use
}

func (o Options) withDefaults() Options {
	o.KeepAlive = cmp.Or(o.KeepAlive, 15*time.Second)
	o.ClientTimeout = cmp.Or(o.ClientTimeout, 30*time.Second)
	o.HandshakeTimeout = cmp.Or(o.HandshakeTimeout, 15*time.Second)
	o.WriteTimeout = cmp.Or(o.WriteTimeout, 10*time.Second)
	o.MaxMessage = cmp.Or(o.MaxMessage, 32<<10)
	o.Backlog = cmp.Or(o.Backlog, 1<<20)
	o.PollTimeout = cmp.Or(o.PollTimeout, 90*time.Second)
	o.DisconnectTimeout = cmp.Or(o.DisconnectTimeout, 15*time.Second)
	o.Logger = cmp.Or(o.Logger, slog.Default())
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
		_, _ = rand.Read(o.Key) // never fails: the process ends instead
	}
	return o
}

func sameOrigin(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && strings.EqualFold(u.Host, r.Host)
}
