package chat

import (
	"context"

	"parley.internal/pkg/fault"
)

// ErrTooFast says that an agent sends more than they may.
var ErrTooFast = fault.New(fault.Exhausted, "too-fast", "that is too many messages at once; wait a moment")

// Author is who says something.
type Author struct {
	Login  string
	Avatar string
}

// Sender takes in what agents say, from whichever side it comes.
type Sender struct {
	// Append stores a draft once: a draft whose stream, author and id it has
	// seen answers the entry that was stored then.
	Append func(context.Context, Draft) (Entry, error)
	// Allow reports whether an agent may send one more entry now.
	Allow func(login string) bool
}

// Send says text in the General room. The id is the client's name for it:
// sending it again answers the same entry.
func (s Sender) Send(ctx context.Context, author Author, id, text string) (Entry, error) {
	if err := checkID(id); err != nil {
		return Entry{}, err
	}
	if err := checkText(text); err != nil {
		return Entry{}, err
	}
	if !s.Allow(author.Login) {
		return Entry{}, ErrTooFast
	}
	return s.Append(ctx, Draft{
		Stream: General, ID: id, Kind: Message, Author: author.Login, Avatar: author.Avatar, Body: text,
	})
}
