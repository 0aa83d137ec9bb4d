package hub

import (
	"context"
	"time"

	"parley.internal/chat"
	"parley.internal/pkg/signalr"
)

// sent is where an entry was stored.
type sent struct {
	Stream   string    `json:"stream"`
	Sequence int64     `json:"sequence"`
	Tag      string    `json:"tag"`
	At       time.Time `json:"at"`
}

// sendOptions may be left out.
type sendOptions struct {
	ReplyTo *int64 `json:"replyTo"`
}

func (h *Hub) send(ctx context.Context, c *signalr.Conn, stream, clientID, body string, o *sendOptions) (sent, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	said := chat.Saying{Stream: stream, ID: clientID, Text: body}
	if o != nil && o.ReplyTo != nil {
		if said.ReplyTo = *o.ReplyTo; said.ReplyTo == 0 {
			return sent{}, told(chat.ErrNoReply.With(stream, said.ReplyTo))
		}
	}
	e, err := h.sender.Send(ctx, authorOf(c), said)
	if err != nil {
		return sent{}, told(err)
	}
	return sent{Stream: e.Stream, Sequence: e.Sequence, Tag: e.Tag, At: e.At}, nil
}

// mostHistory is how many entries one call gives; fewer if they are long.
const mostHistory = 200

func (h *Hub) history(ctx context.Context, c *signalr.Conn, stream string, before int64, limit int) ([]chat.Entry, error) {
	if limit < 1 || limit > mostHistory {
		return nil, told(ErrBadLimit.With(mostHistory))
	}
	if before < 0 {
		return nil, told(chat.ErrBadSequence.With(stream, before))
	}
	if err := chat.CheckReadable(c.User(), stream); err != nil {
		return nil, told(err)
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	entries, err := h.streams.Before(ctx, stream, before, limit)
	if err != nil {
		return nil, told(err)
	}
	return chat.Newest(entries, chat.MaxSnapshot), nil
}

func (h *Hub) markRead(ctx context.Context, c *signalr.Conn, stream string, sequence int64) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	moved, err := h.streams.MarkRead(ctx, c.User(), stream, sequence)
	if moved {
		h.read(stream, c.User(), sequence)
	}
	return told(err)
}

// refreshToken lets the socket live as long as another token of its agent.
func (h *Hub) refreshToken(_ context.Context, c *signalr.Conn, token string) error {
	who, err := h.tokens.Verify(token)
	if err != nil {
		return told(err)
	}
	if who.Login != c.User() {
		return told(ErrOtherAgent)
	}
	c.SetExpiry(who.Expires)
	return nil
}
