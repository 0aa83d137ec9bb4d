package signalr

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"parley.internal/pkg/signalr/internal/token"
	"parley.internal/pkg/signalr/internal/transport"
	"parley.internal/pkg/signalr/internal/wire"
)

// ServeHTTP answers {path}/negotiate and treats any other path as the hub's own. ServeHTTP returns as
// soon as a connection is a WebSocket; over server-sent events when the connection has ended; and over
// long polling with each poll. Wait waits for all connections.
func (h *Hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if strings.HasSuffix(r.URL.Path, "/negotiate") {
		h.serveNegotiate(w, r)
		return
	}
	serve, known := map[string]func(http.ResponseWriter, *http.Request, Identity){
		http.MethodGet: h.serveConnect, http.MethodPost: h.serveMessage, http.MethodDelete: h.serveDelete,
	}[r.Method]
	if !known {
		w.Header().Set("Allow", "DELETE, GET, POST")
		reject(w, http.StatusMethodNotAllowed, "Method Not Allowed")
		return
	}
	if r.Method == http.MethodGet && r.ContentLength != 0 { // the answer would wait for the body
		reject(w, http.StatusBadRequest, "A GET request has no body")
		return
	}
	if identity, ok := h.identify(w, r); ok {
		serve(w, r, identity)
	}
}

func (h *Hub) serveNegotiate(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		reject(w, http.StatusMethodNotAllowed, "Method Not Allowed")
		return
	}
	identity, ok := h.identify(w, r)
	if !ok {
		return
	}
	if err := h.connections.admissible(identity.User); err != nil {
		rejectBusy(w, err)
		return
	}
	version, text := wire.NegotiateVersion(r.URL.Query())
	answer := wire.Negotiation{Error: text}
	if text == "" {
		id, connectionToken := h.tokens.Issue(identity.User, time.Now())
		answer = wire.Negotiation{ConnectionID: connectionToken, AvailableTransports: available(h.options.Transports)}
		if version > 0 {
			answer.NegotiateVersion, answer.ConnectionID, answer.ConnectionToken = version, h.tokens.PublicID(id), connectionToken
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer) // the client may have gone
}

// identify returns the identity of the client, or rejects the request.
func (h *Hub) identify(w http.ResponseWriter, r *http.Request) (Identity, bool) {
	if !h.options.AllowOrigin(r) {
		reject(w, http.StatusForbidden, "Origin not allowed")
		return Identity{}, false
	}
	identity, err := h.options.Identify(r)
	if err != nil || (!identity.Expires.IsZero() && !time.Now().Before(identity.Expires)) {
		w.Header().Set("WWW-Authenticate", "Bearer")
		reject(w, http.StatusUnauthorized, "Unauthorized")
		return Identity{}, false
	}
	return identity, true
}

// find returns the connection of a request, or rejects the request. For a GET request with an unused
// token the connection is nil.
func (h *Hub) find(w http.ResponseWriter, r *http.Request, identity Identity) (*Conn, bool) {
	id := r.URL.Query().Get("id")
	if id == "" {
		reject(w, http.StatusBadRequest, "Connection ID required")
		return nil, false
	}
	c, err := h.tokens.Find(id, identity.User, time.Now())
	if err != nil || (c == nil && r.Method != http.MethodGet) {
		rejectUnknown(w)
		return nil, false
	}
	if c != nil && c.expiry.renew(identity.Expires) {
		c.keepAlive.checkWithin(0)
	}
	return c, true
}

// serveConnect starts a connection, or answers a poll of an existing connection.
func (h *Hub) serveConnect(w http.ResponseWriter, r *http.Request, identity Identity) {
	via := transportOf(r)
	var c *Conn
	if via != WebSockets || r.URL.Query().Get("id") != "" { // a WebSocket may skip negotiation
		var ok bool
		if c, ok = h.find(w, r, identity); !ok {
			return
		}
	}
	switch {
	case !slices.Contains(h.options.Transports, via):
		reject(w, http.StatusNotFound, string(via)+" transport not supported by this end point type")
	case c == nil:
		h.startConnection(w, r, identity, via)
	case c.via != via:
		reject(w, http.StatusBadRequest, "Cannot change transports mid-connection")
	case via == LongPolling:
		c.transport.(*transport.LongPolling).ServePoll(w, r) //nolint:forcetypeassert // as via says
	default:
		reject(w, http.StatusConflict, "Connection already active")
	}
}

// startConnection claims the token, admits the connection, and starts the transport.
func (h *Hub) startConnection(w http.ResponseWriter, r *http.Request, identity Identity, via Transport) {
	if !h.options.AllowConnect(r) {
		rejectBusy(w, errConnectRate)
		return
	}
	id, err := h.claim(r, identity)
	switch {
	case errors.Is(err, token.ErrActive):
		reject(w, http.StatusConflict, "Connection already active")
		return
	case err != nil:
		rejectUnknown(w)
		return
	}
	c := newConn(h, id, via, identity)
	if err := h.connections.add(c); err != nil {
		c.cancel()
		h.tokens.Release(id)
		rejectBusy(w, err)
		return
	}
	switch via {
	case ServerSentEvents:
		t := transport.NewServerSentEvents(w, r, h.options.WriteTimeout)
		c.attach(t, t.Requests)
		t.Serve(c.serve)
	case LongPolling:
		t := transport.NewLongPolling(transport.Timeouts{
			Poll: h.options.PollTimeout, Gap: h.options.DisconnectTimeout, Write: h.options.WriteTimeout,
		})
		c.attach(t, t.Requests)
		t.ServeFirst(w)
		go c.serveAsync() // the registry waits for teardown
	default:
		h.tokens.Attach(id, c) // the client may send the next request before attach
		t, err := transport.NewWebSocket(w, r, h.options.WriteTimeout, reject)
		if err != nil {
			c.teardown()
			return
		}
		t.HandleControl(func(pong []byte) { c.queue.Offer(pong, maxWaitingForPong) }, c.queue.Discard)
		c.queue.SetSocket(t.Socket())
		c.attach(t, nil)
		go c.serveAsync() // the registry waits for teardown
	}
}

// claim reserves the token in the query, or returns a new ID for a client that skipped negotiation.
func (h *Hub) claim(r *http.Request, identity Identity) (token.ID, error) {
	id := r.URL.Query().Get("id")
	if id == "" {
		return token.NewID(), nil
	}
	return h.tokens.Claim(id, identity.User, time.Now())
}

// serveMessage passes the body of a request to the connection.
func (h *Hub) serveMessage(w http.ResponseWriter, r *http.Request, identity Identity) {
	c, ok := h.find(w, r, identity)
	switch {
	case !ok:
		return
	case c.requests == nil:
		w.Header().Set("Allow", http.MethodGet)
		reject(w, http.StatusMethodNotAllowed, "POST requests are not allowed for WebSocket connections.")
		return
	}
	switch err := c.requests.Receive(r, http.NewResponseController(w), h.options.WriteTimeout); {
	case errors.Is(err, transport.ErrClosed):
		rejectUnknown(w)
	case errors.Is(err, transport.ErrTooManyRequests):
		w.Header().Set("Retry-After", "1")
		reject(w, http.StatusTooManyRequests, err.Error())
	case err != nil:
		reject(w, http.StatusBadRequest, "The message did not arrive")
	default:
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(http.StatusOK)
	}
}

// serveDelete ends a connection over long polling at the client's request.
func (h *Hub) serveDelete(w http.ResponseWriter, r *http.Request, identity Identity) {
	c, ok := h.find(w, r, identity)
	switch {
	case !ok:
	case c.via != LongPolling:
		reject(w, http.StatusBadRequest, "Cannot terminate this connection using the DELETE endpoint.")
	default:
		c.requests.CloseWith(transport.ErrLeft)
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(http.StatusAccepted)
	}
}

func rejectUnknown(w http.ResponseWriter) {
	reject(w, http.StatusNotFound, "No Connection with that ID")
}

func rejectBusy(w http.ResponseWriter, err error) {
	w.Header().Set("Retry-After", "1")
	reject(w, http.StatusServiceUnavailable, err.Error())
}

func reject(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text) // the client may have gone
}
