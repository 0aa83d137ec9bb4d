package hub

import (
	"context"
	"errors"
	"log/slog"

	"parley.internal/chat"
	"parley.internal/chat/tail"
	"parley.internal/pkg/auth"
	"parley.internal/pkg/signalr"
)

// cursor is a chat.Cursor as the hub's clients send it.
type cursor struct {
	Sequence int64  `json:"sequence"`
	Tag      string `json:"tag"`
}

// joinResult is the snapshot returned by Join.
type joinResult struct {
	Agent    auth.Agent          `json:"agent"`
	Streams  []chat.JoinedStream `json:"streams"`
	Presence []chat.Presence     `json:"presence"`
	Resync   []string            `json:"resync"`
}

// join returns the entries after a client's cursors. Live entries are sent behind the
// result, never before.
func (h *hub) join(ctx context.Context, c *signalr.Conn, from map[string]cursor) (joinResult, error) {
	cursors := make(chat.Cursors, len(from))
	for stream, at := range from {
		cursors[stream] = chat.Cursor(at)
	}
	if err := cursors.Check(); err != nil {
		return joinResult{}, hubError(err)
	}
	h.leaveAll(c)
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	snapshot, err := h.streams.Join(ctx, c.User(), cursors)
	if err != nil {
		return joinResult{}, hubError(err)
	}
	online := h.node.presence.online()
	c.AfterCompletion(func(ctx context.Context) error {
		h.goLive(ctx, c, snapshot, online)
		return nil
	})
	agent := agentOf(c)
	if agent.Roles == nil {
		agent.Roles = []string{}
	}
	return joinResult{Agent: agent, Streams: snapshot.Streams, Presence: online, Resync: snapshot.Resync}, nil
}

// goLive sends a connection all changes since the snapshot, and adds the connection to the
// groups.
func (h *hub) goLive(ctx context.Context, c *signalr.Conn, snapshot chat.Snapshot, online []chat.Presence) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	h.clients.Join(c, agentGroup(c.User()))
	h.node.presence.follow(online, func(changes []chat.Presence) {
		if len(changes) > 0 {
			sendTo(c, "Presence", changes)
		}
		h.clients.Join(c, joinedGroup)
	})
	select {
	case <-h.node.drain: // The group may have been sent Draining already.
		sendTo(c, "Draining", drainSpread.Milliseconds())
	default:
	}
	for _, s := range snapshot.Streams {
		err := h.followStream(ctx, c, s.ID, s.HeadCursor())
		switch {
		case errors.Is(err, chat.ErrResync):
			h.leaveAll(c)
			sendTo(c, "Resync")
			return
		case err != nil:
			if !errors.Is(err, tail.ErrLagging) && ctx.Err() == nil {
				slog.WarnContext(ctx, "stream not followed", "stream", s.ID, "agent", c.User(), "error", err)
			}
			sendTo(c, "Behind", s.ID)
		}
	}
}

func (h *hub) followStream(ctx context.Context, c *signalr.Conn, stream string, from chat.Cursor) error {
	send := func(e chat.Entry) bool {
		fits, err := c.SendWithin(maxBacklog, "Entry", e)
		return fits && err == nil
	}
	return h.tail.Follow(ctx, stream, from, send, func() { h.clients.Join(c, streamGroup(stream)) })
}
