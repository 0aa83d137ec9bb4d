// Package signalr serves SignalR hubs to the official clients, unmodified: it
// speaks the published hub protocol as the reference server does, over
// WebSockets, server-sent events and long polling.
//
// A client negotiates, and takes the best transport that it can get: a proxy on
// its way may block WebSockets. Negotiation keeps nothing: the token that it
// answers is signed, and a WebSocket may then reach any node with the same
// Options.Key. Server-sent events and long polling need sticky sessions: each
// message of the client and each poll is a request of its own, and must reach the
// node that has the connection. Where the load balancer has none, allow WebSockets
// alone, by Options.Transports.
//
// Over server-sent events a client leaves by ending its request, which a broken
// line does as well: both count as leaving. Over long polling it says so, and one
// that does not poll for Options.DisconnectTimeout is broken; one that froze in the
// middle of a poll is found when Options.PollTimeout has ended that, too.
//
// An http.Server's ReadTimeout and WriteTimeout do not end what lasts, and it should
// have the first one: without, a request whose body never comes is never over.
//
// A hub sends no CORS headers: pages of another origin than its own need a handler
// in front of it that does; see Options.AllowOrigin.
//
// Values are what encoding/json makes of them, in MessagePack as well: a []byte
// arrives as text, in base64, and a time.Time as RFC 3339.
//
// A Hub has methods that clients invoke: functions with results (Func0 …),
// without (Action0 …), with a stream for a result (Stream0 …), and with streams
// of the client's among their parameters (Incoming). It sends to one client
// (Conn.Send), to all, to some (Audience), or asks one and waits (Call). Options
// say who clients are, and bound what they cost; Hub.Drain and Hub.Wait end a hub
// so that its clients find another one.
//
// Besides what Options bound, a connection has 32 streams at once, of both
// directions together; one more waits a second for those to end that the client has
// cancelled, and is refused then, with a text that says why. 16 calls wait for their
// turn, or as many bytes of them as MaxMessage; and 10 items of a client's stream for
// its method, or more as Incoming says. With more, the client is not read until there
// is room. A stream to the client goes on while less than 64 KiB wait for it. 128 of a
// client's requests wait to be read, and one more is answered with 429.
//
// Its promise: what is sent to a connection arrives in the order of sending and
// without a hole, or the connection ends; no client makes another one wait; and
// nothing that a client sends ends the process. Over long polling there is one
// exception: of an answer that the network took, nobody knows whether it arrived.
// A client that drops a poll at that moment, and polls on, misses what was in it.
package signalr

import (
	"context"
	"strings"

	"github.com/gorilla/websocket"
)

// Hub is a set of methods that clients invoke and a set of connections that the
// server sends to. It is an http.Handler for its own path and for
// {path}/negotiate:
//
//	http.Handle("/hub", hub)
//	http.Handle("/hub/", hub)
//
// Handle, OnConnect and OnDisconnect belong before the first request; all else
// is safe for concurrent use.
type Hub struct {
	options      Options
	upgrader     websocket.Upgrader
	tickets      tickets
	door         door
	fanout       fanout
	methods      map[string]Method
	onConnect    func(context.Context, *Conn) error
	onDisconnect func(*Conn, error)
}

// New makes a hub without methods.
func New(options Options) *Hub {
	h := &Hub{
		options:      options.withDefaults(),
		methods:      make(map[string]Method),
		onConnect:    func(context.Context, *Conn) error { return nil },
		onDisconnect: func(*Conn, error) {},
	}
	h.upgrader = newUpgrader(h.options)
	h.tickets.key = h.options.Key
	h.fanout.init(h.options.Backlog)
	return h
}

// Handle lets clients invoke m under name, in any case. A name that is taken
// panics: two methods under one name are a mistake in the program.
func (h *Hub) Handle(name string, m Method) {
	key := strings.ToLower(name)
	if _, taken := h.methods[key]; taken {
		panic("signalr: two methods named " + name)
	}
	h.methods[key] = m
	h.methods[name] = m // spares the usual spelling the folding
}

func (h *Hub) method(name string) (Method, bool) {
	m, ok := h.methods[name]
	if !ok {
		m, ok = h.methods[strings.ToLower(name)]
	}
	return m, ok
}

// OnConnect sets what runs when a client has shaken hands, before its first
// invocation. The connection can be sent to and joined to groups already. An
// error ends the connection; a HubError's text is told to the client, whose own
// start may have succeeded before: it has shaken hands.
func (h *Hub) OnConnect(fn func(context.Context, *Conn) error) { h.onConnect = fn }

// OnDisconnect sets what runs after the last invocation of a connection,
// exactly once for each connection whose OnConnect returned nil. The error is
// nil when the client closed the connection or the server ended it on purpose,
// and says what happened when it broke. The connection is no longer sent to and
// its context is done.
func (h *Hub) OnDisconnect(fn func(*Conn, error)) { h.onDisconnect = fn }

// Connections is how many connections are open, those included that have not
// shaken hands yet.
func (h *Hub) Connections() int { return h.door.count() }

// ConnectionsBy is Connections by transport.
func (h *Hub) ConnectionsBy() map[Transport]int { return h.door.countBy() }
