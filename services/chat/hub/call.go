package hub

import (
	"context"
	"time"

	"parley.internal/chat"
	"parley.internal/pkg/signalr"
)

// sendResult tells where an entry was stored.
type sendResult struct {
	Stream   string    `json:"stream"`
	Sequence int64     `json:"sequence"`
	Tag      string    `json:"tag"`
	At       time.Time `json:"at"`
}

// sendOptions are optional.
type sendOptions struct {
	ReplyTo *int64 `json:"replyTo"`
}

func (h *hub) send(ctx context.Context, c *signalr.Conn, stream, clientID, body string, o *sendOptions) (sendResult, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	draft := draftOf(c, stream, clientID, body)
	if o != nil && o.ReplyTo != nil {
		if draft.ReplyTo = *o.ReplyTo; draft.ReplyTo == 0 {
			return sendResult{}, hubError(chat.ErrNoReply.With(stream, draft.ReplyTo))
		}
	}
	e, err := h.sender.Send(ctx, draft)
	if err != nil {
		return sendResult{}, hubError(err)
	}
	return sendResult{Stream: e.Stream, Sequence: e.Sequence, Tag: e.Tag, At: e.At}, nil
}

// maxHistory limits the entries of a call; long entries are fewer.
const maxHistory = 200

func (h *hub) history(ctx context.Context, c *signalr.Conn, stream string, before int64, limit int) ([]chat.Entry, error) {
	if limit < 1 || limit > maxHistory {
		return nil, hubError(ErrBadLimit.With(maxHistory))
	}
	if before < 0 {
		return nil, hubError(chat.ErrBadSequence.With(stream, before))
	}
	if err := chat.CheckReadable(c.User(), stream); err != nil {
		return nil, hubError(err)
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	entries, err := h.streams.Before(ctx, stream, before, limit)
	if err != nil {
		return nil, hubError(err)
	}
	return chat.Newest(entries, chat.MaxSnapshot), nil
}

func (h *hub) markRead(ctx context.Context, c *signalr.Conn, stream string, sequence int64) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	moved, err := h.streams.MarkRead(ctx, c.User(), stream, sequence)
	if moved {
		h.pushRead(stream, c.User(), sequence)
	}
	return hubError(err)
}

// refreshToken extends the connection's life to the expiry of a new token of the same
// agent.
func (h *hub) refreshToken(_ context.Context, c *signalr.Conn, token string) error {
	caller, err := h.tokens.Verify(token)
	if err != nil {
		return hubError(err)
	}
	if caller.Login != c.User() {
		return hubError(ErrOtherAgent)
	}
	c.SetExpiry(caller.Expires)
	return nil
}
