package signalr

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// ServeHTTP answers {path}/negotiate, and takes any other path for the hub's
// own. It returns as soon as a connection is a WebSocket; over server-sent events
// when the connection has ended; and over long polling with each poll. Wait waits
// for all connections.
func (h *Hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if strings.HasSuffix(r.URL.Path, "/negotiate") {
		h.negotiate(w, r)
		return
	}
	serve, known := map[string]func(http.ResponseWriter, *http.Request, Identity){
		http.MethodGet: h.connect, http.MethodPost: h.take, http.MethodDelete: h.forget,
	}[r.Method]
	if !known {
		w.Header().Set("Allow", "DELETE, GET, POST")
		refuse(w, http.StatusMethodNotAllowed, "Method Not Allowed")
		return
	}
	if r.Method == http.MethodGet && r.ContentLength != 0 { // its answer would wait for the body
		refuse(w, http.StatusBadRequest, "A GET request has no body")
		return
	}
	if who, ok := h.admit(w, r); ok {
		serve(w, r, who)
	}
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
	return who, true
}

// open says whether one more connection would be let in, or has refused it.
func (h *Hub) open(w http.ResponseWriter, who Identity) bool {
	err := h.door.check(&h.options, who.User)
	if err != nil {
		refuseBusy(w, err)
	}
	return err == nil
}

// find is the connection of a request, nil if its token is for one that is not
// there yet; or find has refused the request.
func (h *Hub) find(w http.ResponseWriter, r *http.Request, who Identity) (*Conn, bool) {
	id := r.URL.Query().Get("id")
	if id == "" {
		refuse(w, http.StatusBadRequest, "Connection ID required")
		return nil, false
	}
	c, err := h.tickets.find(id, who.User, time.Now())
	if err != nil {
		refuseUnknown(w)
		return nil, false
	}
	if c != nil {
		c.renew(who)
	}
	return c, true
}

// connect turns a request into a connection, or into a poll of one.
func (h *Hub) connect(w http.ResponseWriter, r *http.Request, who Identity) {
	via := transportOf(r)
	var c *Conn
	if via != WebSockets || r.URL.Query().Get("id") != "" { // A WebSocket may skip negotiation.
		var ok bool
		if c, ok = h.find(w, r, who); !ok {
			return
		}
	}
	switch {
	case !slices.Contains(h.options.Transports, via):
		refuse(w, http.StatusNotFound, string(via)+" transport not supported by this end point type")
	case c == nil:
		h.begin(w, r, who, via)
	case c.via != via:
		refuse(w, http.StatusBadRequest, "Cannot change transports mid-connection")
	case via == LongPolling:
		c.carrier.(*polling).serve(w, r) //nolint:forcetypeassert // It is what via says.
	default:
		refuse(w, http.StatusConflict, "Connection already active")
	}
}

// begin makes a connection.
func (h *Hub) begin(w http.ResponseWriter, r *http.Request, who Identity, via Transport) {
	if !h.options.AllowConnect(r) {
		refuseBusy(w, errBusy)
		return
	}
	t, err := h.ticket(r, who)
	switch {
	case errors.Is(err, errAlreadyActive):
		refuse(w, http.StatusConflict, "Connection already active")
		return
	case err != nil:
		refuseUnknown(w)
		return
	}
	c := newConn(h, t, via, who)
	if err := h.door.enter(c); err != nil {
		c.stop()
		h.tickets.release(t)
		refuseBusy(w, err)
		return
	}
	switch via {
	case ServerSentEvents:
		h.stream(c, w, r)
	case LongPolling:
		h.startPolling(c, w)
	default:
		h.upgrade(c, w, r)
	}
}

// abandon is the end of a connection that never ran.
func (h *Hub) abandon(c *Conn) {
	c.stop()
	h.tickets.release(c.ticket)
	h.door.leave(c)
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

// receiver is what carries a connection whose client sends by requests.
type receiver interface {
	take(r *http.Request, w *http.ResponseController, patience time.Duration) error
}

// take brings what a client sends to its connection.
func (h *Hub) take(w http.ResponseWriter, r *http.Request, who Identity) {
	c, ok := h.find(w, r, who)
	switch {
	case !ok:
		return
	case c == nil:
		refuseUnknown(w)
		return
	case c.via == WebSockets:
		w.Header().Set("Allow", http.MethodGet)
		refuse(w, http.StatusMethodNotAllowed, "POST requests are not allowed for WebSocket connections.")
		return
	}
	in := c.carrier.(receiver) //nolint:forcetypeassert // All others are.
	switch err := in.take(r, http.NewResponseController(w), h.options.WriteTimeout); {
	case errors.Is(err, errGone):
		refuseUnknown(w)
	case errors.Is(err, errCrowd):
		w.Header().Set("Retry-After", "1")
		refuse(w, http.StatusTooManyRequests, err.Error())
	case err != nil:
		refuse(w, http.StatusBadRequest, "The message did not arrive")
	default:
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(http.StatusOK)
	}
}

// forget is how a client that polls says that it leaves.
func (h *Hub) forget(w http.ResponseWriter, r *http.Request, who Identity) {
	c, ok := h.find(w, r, who)
	switch {
	case !ok:
	case c == nil:
		refuseUnknown(w)
	case c.via != LongPolling:
		refuse(w, http.StatusBadRequest, "Cannot terminate this connection using the DELETE endpoint.")
	default:
		c.carrier.(*polling).leave(errLeft) //nolint:forcetypeassert // It is what via says.
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(http.StatusAccepted)
	}
}

func refuseUnknown(w http.ResponseWriter) {
	refuse(w, http.StatusNotFound, "No Connection with that ID")
}

func refuseBusy(w http.ResponseWriter, err error) {
	w.Header().Set("Retry-After", "1")
	refuse(w, http.StatusServiceUnavailable, err.Error())
}

func refuse(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text) // The client may have gone.
}
