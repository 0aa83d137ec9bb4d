package hub

import (
	"context"
	"errors"
	"log/slog"

	"parley.internal/chat"
	"parley.internal/pkg/auth"
	"parley.internal/pkg/signalr"
)

// position is a chat.Cursor as the hub's clients know it.
type position struct {
	Sequence int64  `json:"sequence"`
	Tag      string `json:"tag"`
}

// joined is all that an agent may read, and who is here.
type joined struct {
	Agent    auth.Agent          `json:"agent"`
	Streams  []chat.JoinedStream `json:"streams"`
	Presence []chat.Presence     `json:"presence"`
	Resync   []string            `json:"resync"`
}

// join answers what the agent does not have yet. What follows is sent behind the
// answer; until then the socket hears nothing.
func (h *Hub) join(ctx context.Context, c *signalr.Conn, known map[string]position) (joined, error) {
	cursor := make(chat.Cursors, len(known))
	for stream, p := range known {
		cursor[stream] = chat.Cursor(p)
	}
	if err := cursor.Check(); err != nil {
		return joined{}, told(err)
	}
	h.leave(c)
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	snapshot, err := h.streams.Join(ctx, c.User(), cursor)
	if err != nil {
		return joined{}, told(err)
	}
	here := h.lobby.presence.here()
	signalr.AfterCompletion(ctx, func(ctx context.Context) error {
		h.follow(ctx, c, snapshot, here)
		return nil
	})
	agent := agentOf(c)
	if agent.Roles == nil {
		agent.Roles = []string{}
	}
	return joined{Agent: agent, Streams: snapshot.Streams, Presence: here, Resync: snapshot.Resync}, nil
}

// follow has a socket hear of all that is not in its snapshot.
func (h *Hub) follow(ctx context.Context, c *signalr.Conn, snapshot chat.Snapshot, here []chat.Presence) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	h.hub.Join(c, devicesOf(c.User()))
	h.lobby.presence.follow(here, func(changed []chat.Presence) {
		if len(changed) > 0 {
			sendTo(c, "Presence", changed)
		}
		h.hub.Join(c, everyone)
	})
	select {
	case <-h.lobby.drain: // Perhaps the others have been told already.
		sendTo(c, "Draining", drainTime.Milliseconds())
	default:
	}
	for _, s := range snapshot.Streams {
		hear := func(e chat.Entry) bool {
			fits, err := c.SendWithin(window, "Entry", e)
			return fits && err == nil
		}
		err := h.delivery.Follow(ctx, s.ID, s.Cursor(), hear, func() { h.hub.Join(c, groupOf(s.ID)) })
		switch {
		case errors.Is(err, chat.ErrResync):
			h.leave(c)
			sendTo(c, "Resync")
			return
		case err != nil:
			if !errors.Is(err, errBehind) && ctx.Err() == nil {
				slog.WarnContext(ctx, "stream not followed", "stream", s.ID, "agent", c.User(), "error", err)
			}
			sendTo(c, "Behind", s.ID)
		}
	}
}

// sendTo calls one client; what is sent always has a form in JSON.
func sendTo(c *signalr.Conn, target string, args ...any) {
	if err := c.Send(target, args...); err != nil {
		slog.Error("push not encoded", "target", target, "error", err)
	}
}
