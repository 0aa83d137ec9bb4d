package hub

import (
	"context"
	"errors"
	"net/http"
	"time"

	"parley.internal/chat"
	"parley.internal/chat/tail"
	"parley.internal/pkg/auth"
	"parley.internal/pkg/fault"
	"parley.internal/pkg/signalr"
	"parley.internal/pkg/web"
)

// Path is the path of Parley's own hub.
const Path = "/hub"

// Streams reads and marks agents' streams.
type Streams interface {
	Join(ctx context.Context, login string, cursors chat.Cursors) (chat.Snapshot, error)
	Before(ctx context.Context, stream string, sequence int64, limit int) ([]chat.Entry, error)
	MarkRead(ctx context.Context, login, stream string, sequence int64) (moved bool, err error)
}

// hub is Parley's own hub. The call Join returns a snapshot of all streams of an agent;
// the connection then gets every entry stored after the snapshot. Before Join a connection
// gets nothing.
type hub struct {
	clients *signalr.Hub
	node    *Node
	tail    *tail.Tail
	streams Streams
	sender  chat.Sender
	tokens  auth.Verifier
}

// New serves Path and the negotiation. Requests must come through auth.HubMiddleware.
func New(n *Node, t *tail.Tail, streams Streams, sender chat.Sender, tokens auth.Verifier, origins web.Origins) http.Handler {
	h := &hub{clients: n.newHub(Path, origins), node: n, tail: t, streams: streams, sender: sender, tokens: tokens}
	h.clients.Handle("Join", signalr.Func1(h.join))
	h.clients.Handle("Send", signalr.Func4(h.send))
	h.clients.Handle("History", signalr.Func3(h.history))
	h.clients.Handle("MarkRead", signalr.Action2(h.markRead))
	h.clients.Handle("RefreshToken", signalr.Action1(h.refreshToken))
	n.presence.publish = func(changes []chat.Presence) { broadcast(h.clients.Group(joinedGroup), "Presence", changes) }
	n.onDrain = append(n.onDrain, func(spread time.Duration) {
		broadcast(h.clients.Group(joinedGroup), "Draining", spread.Milliseconds())
	})
	t.Subscribe(tail.Subscriber{Push: h.push, Resync: h.resync})
	return h.clients
}

// The groups of the hub. A connection is in none of them until Join.
const joinedGroup = "joined"

func streamGroup(stream string) string { return "stream:" + stream }
func agentGroup(login string) string   { return "agent:" + login }

// leaveAll removes a connection from all groups. The connection gets nothing until the
// next Join.
func (h *hub) leaveAll(c *signalr.Conn) {
	h.clients.Leave(c, joinedGroup)
	h.clients.Leave(c, agentGroup(c.User()))
	for _, stream := range chat.Readable(c.User()) {
		h.clients.Leave(c, streamGroup(stream))
	}
}

// maxBacklog is the backpressure limit: the bytes queued for a connection. A slow consumer
// beyond the limit gets no more entries of a stream, but Behind: the client must join
// again.
const maxBacklog = 256 << 10

// push sends an entry to all followers of the stream. The author of a message
// has read the stream up to there, on all devices.
func (h *hub) push(e chat.Entry) {
	slow := func(c *signalr.Conn) { sendTo(c, "Behind", e.Stream) }
	broadcast(h.clients.Group(streamGroup(e.Stream)).Within(maxBacklog, slow), "Entry", e)
	if e.Kind == chat.Message {
		h.pushRead(e.Stream, e.Author, e.Sequence)
	}
}

func (h *hub) pushRead(stream, login string, sequence int64) {
	broadcast(h.clients.Group(agentGroup(login)), "Read", stream, login, sequence)
}

// resync tells followers of rolled back streams to join again without cursors.
func (h *hub) resync(streams []string) {
	affected := make(map[*signalr.Conn]struct{})
	for _, stream := range streams {
		for _, c := range h.clients.Dissolve(streamGroup(stream)) {
			affected[c] = struct{}{}
		}
	}
	for c := range affected {
		h.leaveAll(c)
		sendTo(c, "Resync")
	}
}

// The errors of the hub alone.
var (
	ErrOtherAgent = fault.New(fault.Forbidden, "token-other-agent", "the token is another agent's")
	ErrBadLimit   = fault.New(fault.Invalid, "limit-invalid", "a limit is from 1 to %d")
)

// hubError converts err for the client: to the code and the detail of a fault. A timeout
// is web.ErrBusy; an internal error stays hidden.
func hubError(err error) error {
	if err == nil {
		return nil
	}
	f := fault.Of(err)
	if timeout, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err); ok && f.Kind == fault.Internal && timeout.Timeout() {
		f = web.ErrBusy
	}
	if f.Kind == fault.Internal {
		return err
	}
	return signalr.HubError(f.Code + ": " + f.Detail)
}
