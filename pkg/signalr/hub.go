package signalr

import (
	"context"
	"strings"
	"time"

	"parley.internal/pkg/signalr/internal/fanout"
	"parley.internal/pkg/signalr/internal/token"
)

// Hub is a set of methods that clients invoke and a set of connections that the server sends to. A hub
// is an http.Handler for its own path and for {path}/negotiate:
//
//	http.Handle("/hub", hub)
//	http.Handle("/hub/", hub)
//
// Handle, OnConnect and OnDisconnect must be called before the first request; all other methods are
// safe for concurrent use.
type Hub struct {
	options      Options
	started      time.Time
	tokens       *token.Issuer[*Conn]
	connections  registry
	fanout       *fanout.Fanout
	methods      map[string]Method
	onConnect    func(context.Context, *Conn) error
	onDisconnect func(*Conn, error)
}

// New returns a hub without methods.
func New(options Options) *Hub {
	o := options.withDefaults()
	return &Hub{
		options: o,
		started: time.Now(),
		tokens:  token.NewIssuer[*Conn](o.Key),
		connections: registry{
			maxConnections: o.MaxConnections, maxHandshakes: o.MaxHandshakes,
			connections: make(map[*Conn]bool), byUser: make(map[string]int),
		},
		fanout:       fanout.New(o.Backlog),
		methods:      make(map[string]Method),
		onConnect:    func(context.Context, *Conn) error { return nil },
		onDisconnect: func(*Conn, error) {},
	}
}

// Handle lets clients invoke m under a name, in any case. Handle panics if the name is taken: two
// methods with the same name are a mistake in the program.
func (h *Hub) Handle(name string, m Method) {
	key := strings.ToLower(name)
	if _, taken := h.methods[key]; taken {
		panic("signalr: two methods named " + name)
	}
	h.methods[key] = m
	h.methods[name] = m // avoids folding the usual spelling
}

func (h *Hub) method(name string) (Method, bool) {
	m, ok := h.methods[name]
	if !ok {
		m, ok = h.methods[strings.ToLower(name)]
	}
	return m, ok
}

// OnConnect sets the function to run after the handshake of a client and before the first invocation.
// The connection can already be sent to and join groups. An error ends the connection; the client is
// told the text of a HubError. The client's own start may have succeeded before, because the handshake
// has.
func (h *Hub) OnConnect(fn func(context.Context, *Conn) error) { h.onConnect = fn }

// OnDisconnect sets the function to run after the last invocation of a connection, exactly once for
// each connection after OnConnect returned nil. The error is nil when the client closed the connection
// or the server ended the connection on purpose; otherwise the error describes the failure. Messages
// to the connection are dropped by then, and the context of the connection is done.
func (h *Hub) OnDisconnect(fn func(*Conn, error)) { h.onDisconnect = fn }

// Connections returns the number of open connections, including connections before their handshake.
func (h *Hub) Connections() int { return h.connections.count() }

// ConnectionsBy returns Connections by transport.
func (h *Hub) ConnectionsBy() map[Transport]int { return h.connections.countBy() }
