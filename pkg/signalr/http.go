package signalr

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// ServeHTTP answers {path}/negotiate, and takes any other path for the hub's
// own. It returns as soon as a connection is upgraded; Wait waits for those.
func (h *Hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if strings.HasSuffix(r.URL.Path, "/negotiate") {
		h.negotiate(w, r)
		return
	}
	h.connect(w, r)
}

// admit says who asks, or has refused the request.
func (h *Hub) admit(w http.ResponseWriter, r *http.Request) (Identity, bool) {
	if !h.options.AllowOrigin(r) {
		refuse(w, http.StatusForbidden, "Origin not allowed")
		return Identity{}, false
	}
	who, err := h.options.Identify(r)
	if err != nil || (!who.Expires.IsZero() && !time.Now().Before(who.Expires)) {
		w.Header().Set("WWW-Authenticate", "Bearer")
		refuse(w, http.StatusUnauthorized, "Unauthorized")
		return Identity{}, false
	}
	if err := h.door.check(&h.options); err != nil {
		refuseBusy(w, err)
		return Identity{}, false
	}
	return who, true
}

// connect turns a request into a connection.
func (h *Hub) connect(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodPost && r.Method != http.MethodDelete {
		w.Header().Set("Allow", http.MethodGet)
		refuse(w, http.StatusMethodNotAllowed, "Method Not Allowed")
		return
	}
	who, ok := h.admit(w, r)
	if !ok {
		return
	}
	if r.Method != http.MethodGet || !websocket.IsWebSocketUpgrade(r) {
		h.refuseTransport(w, r, who)
		return
	}
	t, err := h.ticket(r, who)
	if err != nil {
		refuseTicket(w, err)
		return
	}
	c := newConn(h, t, who)
	if err := h.door.enter(c); err != nil {
		h.tickets.release(t)
		refuseBusy(w, err)
		return
	}
	ws, err := h.upgrader.Upgrade(hijacker{w}, r, nil)
	if err != nil { // and Upgrade has said so
		c.stop()
		h.tickets.release(t)
		h.door.leave(c)
		return
	}
	c.socket.open(ws, c.pong, c.goodbye)
	go c.begin() // owned by the door, which Wait waits for
}

// ticket is that of the connection in the query, or a new one for a client that
// skipped negotiation.
func (h *Hub) ticket(r *http.Request, who Identity) (ticket, error) {
	id := r.URL.Query().Get("id")
	if id == "" {
		return newTicket(), nil
	}
	return h.tickets.claim(id, who.User, time.Now())
}

// refuseTransport answers the requests of transports that the hub does not
// offer as the reference server does.
func (h *Hub) refuseTransport(w http.ResponseWriter, r *http.Request, who Identity) {
	id := r.URL.Query().Get("id")
	if id == "" {
		refuse(w, http.StatusBadRequest, "Connection ID required")
		return
	}
	_, _, err := h.tickets.check(id, who.User, time.Now())
	active := errors.Is(err, errAlreadyActive)
	switch {
	case err != nil && !active:
		refuseTicket(w, err)
	case r.Method == http.MethodPost && active:
		w.Header().Set("Allow", http.MethodGet)
		refuse(w, http.StatusMethodNotAllowed, "POST requests are not allowed for WebSocket connections.")
	case r.Method == http.MethodDelete && active:
		refuse(w, http.StatusBadRequest, "Cannot terminate this connection using the DELETE endpoint.")
	case r.Method == http.MethodGet && strings.Contains(r.Header.Get("Accept"), "text/event-stream"):
		refuse(w, http.StatusNotFound, "ServerSentEvents transport not supported by this end point type")
	default:
		refuse(w, http.StatusNotFound, "LongPolling transport not supported by this end point type")
	}
}

func refuseTicket(w http.ResponseWriter, err error) {
	if errors.Is(err, errAlreadyActive) {
		refuse(w, http.StatusConflict, "Connection already active")
		return
	}
	refuse(w, http.StatusNotFound, "No Connection with that ID")
}

func refuseBusy(w http.ResponseWriter, err error) {
	w.Header().Set("Retry-After", "1")
	refuse(w, http.StatusServiceUnavailable, err.Error())
}

func refuse(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text) //nolint:gosec // plain text, of ours; the client may have gone
}
