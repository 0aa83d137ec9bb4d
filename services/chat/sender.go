package chat

import (
	"context"
	"slices"

	"parley.internal/pkg/fault"
)

// ErrTooFast says that an agent sends more than they may.
var ErrTooFast = fault.New(fault.RateLimited, "too-fast", "that is too many messages at once; wait a moment")

// Author is who says something.
type Author struct {
	Login  string
	Avatar string
}

// Saying is what an agent says, and where.
type Saying struct {
	Stream  string
	ID      string // the client's name for it: sending it again answers the same entry
	Text    string
	ReplyTo int64 // the sequence of the entry that it answers; 0: none
}

// Sender takes in what agents say, from whichever side it comes.
type Sender struct {
	// Append stores a draft once: a draft whose stream, author and id it has
	// seen answers the entry that was stored then.
	Append func(context.Context, Draft) (Entry, error)
	// Announce appends all drafts, or none if the owner of an own feed is not known.
	Announce func(context.Context, []Draft) error
	// Allow reports whether an agent may send one more entry now.
	Allow func(login string) bool
}

// Send says something in a room.
func (s Sender) Send(ctx context.Context, author Author, said Saying) (Entry, error) {
	if err := CheckReadable(author.Login, said.Stream); err != nil {
		return Entry{}, err
	}
	if KindOf(said.Stream) != Room {
		return Entry{}, ErrReadOnly.With(said.Stream)
	}
	if err := checkID(said.ID); err != nil {
		return Entry{}, err
	}
	if err := checkText(said.Text); err != nil {
		return Entry{}, err
	}
	if !s.Allow(author.Login) {
		return Entry{}, ErrTooFast
	}
	return s.Append(ctx, Draft{
		Stream: said.Stream, ID: said.ID, Kind: Message, Author: author.Login, Avatar: author.Avatar,
		Body: said.Text, ReplyTo: said.ReplyTo,
	})
}

// Notify tells an audience something: it is a notice in the company feed or in
// the own feed of each, even of one who has never been here. It answers the
// streams. Nobody is told if one of them is not known: ErrNoAgent. The same id
// again is the same announcement; with another text or audience it is
// ErrIDReused.
func (s Sender) Notify(ctx context.Context, author Author, id, text string, to Audience) ([]string, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	if err := checkText(text); err != nil {
		return nil, err
	}
	streams := to.streams()
	drafts := make([]Draft, 0, len(streams))
	for _, stream := range streams {
		drafts = append(drafts, Draft{
			Stream: stream, ID: id, Kind: Notice, Author: author.Login, Avatar: author.Avatar, Body: text,
		})
	}
	return streams, s.Announce(ctx, drafts)
}

// streams is where the audience reads, each once.
func (a Audience) streams() []string {
	if a.All {
		return []string{Company}
	}
	streams := make([]string, 0, len(a.Logins))
	for _, login := range a.Logins {
		streams = append(streams, Own(login))
	}
	slices.Sort(streams)
	return slices.Compact(streams)
}
