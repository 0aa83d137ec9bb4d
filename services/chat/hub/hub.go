package hub

import (
	"context"
	"errors"
	"net/http"
	"time"

	"parley.internal/chat"
	"parley.internal/pkg/auth"
	"parley.internal/pkg/fault"
	"parley.internal/pkg/signalr"
	"parley.internal/pkg/web"
)

// Path is where Hub is served.
const Path = "/hub"

// Streams is what agents read and mark.
type Streams interface {
	Join(ctx context.Context, login string, cursor chat.Cursors) (chat.Snapshot, error)
	Before(ctx context.Context, stream string, sequence int64, limit int) ([]chat.Entry, error)
	MarkRead(ctx context.Context, login, stream string, sequence int64) (moved bool, err error)
}

// Hub is Parley's own hub: one call gives an agent all that they may read, and
// what is stored after it comes from exactly there. A socket that has not joined
// hears nothing.
type Hub struct {
	hub      *signalr.Hub
	lobby    *Lobby
	delivery *Delivery
	streams  Streams
	sender   chat.Sender
	tokens   auth.Verifier
}

// New makes the hub. Requests must come through auth.HubMiddleware.
func New(
	lobby *Lobby, delivery *Delivery, streams Streams, sender chat.Sender, tokens auth.Verifier, origins web.Origins,
) *Hub {
	h := &Hub{
		hub: lobby.open(Path, origins), lobby: lobby, delivery: delivery, streams: streams, sender: sender, tokens: tokens,
	}
	h.hub.Handle("Join", signalr.Func1(h.join))
	h.hub.Handle("Send", signalr.Func4(h.send))
	h.hub.Handle("History", signalr.Func3(h.history))
	h.hub.Handle("MarkRead", signalr.Action2(h.markRead))
	h.hub.Handle("RefreshToken", signalr.Action1(h.refreshToken))
	lobby.presence.show = func(changed []chat.Presence) { send(h.hub.Group(everyone), "Presence", changed) }
	lobby.draining = append(lobby.draining, func(over time.Duration) {
		send(h.hub.Group(everyone), "Draining", over.Milliseconds())
	})
	delivery.Listen(h.push, h.setBack)
	return h
}

// ServeHTTP implements http.Handler for Path and its negotiation.
func (h *Hub) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.hub.ServeHTTP(w, r) }

// The groups of the hub: a socket is in none until it has joined.
const everyone = "everyone"

func groupOf(stream string) string  { return "stream:" + stream }
func devicesOf(login string) string { return "agent:" + login }

// leave has a socket hear nothing until it joins again.
func (h *Hub) leave(c *signalr.Conn) {
	h.hub.Leave(c, everyone)
	h.hub.Leave(c, devicesOf(c.User()))
	for _, stream := range chat.Readable(c.User()) {
		h.hub.Leave(c, groupOf(stream))
	}
}

// window is how many bytes may wait for a socket. Who is further behind hears no
// more of a stream, is told so, and joins again.
const window = 256 << 10

// push tells the sockets of an entry. Who says something has read up to there,
// on all devices.
func (h *Hub) push(e chat.Entry) {
	behind := func(c *signalr.Conn) { sendTo(c, "Behind", e.Stream) }
	send(h.hub.Group(groupOf(e.Stream)).Within(window, behind), "Entry", e)
	if e.Kind == chat.Message {
		h.read(e.Stream, e.Author, e.Sequence)
	}
}

func (h *Hub) read(stream, login string, sequence int64) {
	send(h.hub.Group(devicesOf(login)), "Read", stream, login, sequence)
}

// setBack tells those who follow one of the streams to begin anew.
func (h *Hub) setBack(streams []string) {
	resync := make(map[*signalr.Conn]struct{})
	for _, stream := range streams {
		for _, c := range h.hub.Dissolve(groupOf(stream)) {
			resync[c] = struct{}{}
		}
	}
	for c := range resync {
		h.leave(c)
		sendTo(c, "Resync")
	}
}

// The errors of the hub alone.
var (
	ErrOtherAgent = fault.New(fault.Forbidden, "token-other-agent", "the token is another agent's")
	ErrBadLimit   = fault.New(fault.Invalid, "limit-invalid", "a limit is from 1 to %d")
)

// told is err as the client may read it: its code and its detail.
func told(err error) error {
	if err == nil {
		return nil
	}
	f := fault.Of(err)
	if late, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err); ok && f.Kind == fault.Internal && late.Timeout() {
		f = web.ErrBusy
	}
	if f.Kind == fault.Internal {
		return err
	}
	return signalr.HubError(f.Code + ": " + f.Detail)
}
