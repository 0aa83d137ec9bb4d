package chat

import (
	"context"

	"parley.internal/pkg/fault"
)

// ErrRateLimited reports an agent above the message rate limit.
var ErrRateLimited = fault.New(fault.RateLimited, "too-fast", "that is too many messages at once; wait a moment")

// Sender validates agents' messages and administrators' announcements, and appends
// them to streams.
type Sender struct {
	// Append stores a draft once. For a draft with a known stream, author and id Append
	// returns the stored entry.
	Append func(context.Context, Draft) (Entry, error)
	// AppendAnnouncement appends all drafts, or none if the owner of an own feed is
	// unknown.
	AppendAnnouncement func(context.Context, []Draft) error
	// Allow reports whether the rate limit admits another entry of an agent now.
	Allow func(login string) bool
}

// Send appends an agent's message to a room.
func (s Sender) Send(ctx context.Context, d Draft) (Entry, error) {
	if err := CheckReadable(d.Author, d.Stream); err != nil {
		return Entry{}, err
	}
	if KindOf(d.Stream) != Room {
		return Entry{}, ErrReadOnly.With(d.Stream)
	}
	if err := d.check(); err != nil {
		return Entry{}, err
	}
	if !s.Allow(d.Author) {
		return Entry{}, ErrRateLimited
	}
	d.Kind = Message
	return s.Append(ctx, d)
}

// Announce appends an administrator's announcement to the streams of an audience, online
// or offline, and returns the streams. With an unknown agent Announce appends nothing:
// ErrNoAgent. The same id again is the same announcement; with another text or audience
// the result is ErrIDReused.
func (s Sender) Announce(ctx context.Context, d Draft, to Audience) ([]string, error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	streams := to.streams()
	drafts := make([]Draft, 0, len(streams))
	for _, stream := range streams {
		d.Stream, d.Kind = stream, Notice
		drafts = append(drafts, d)
	}
	return streams, s.AppendAnnouncement(ctx, drafts)
}
