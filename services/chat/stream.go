// Package chat is the domain of agents' conversations and of notices about the
// business.
//
// A room, the company feed and an agent's own feed are all streams: dense sequences
// 1, 2, 3 … of entries. The package's promise: all readers of a stream get the same
// entries in the same order, without a gap.
package chat

import (
	"slices"
	"strings"

	"parley.internal/pkg/fault"
)

// The errors of streams.
var (
	// ErrNoStream reports a stream unknown to the service, or forbidden to the agent.
	ErrNoStream = fault.New(fault.NotFound, "stream-unknown", "there is no stream %s")
	ErrReadOnly = fault.New(fault.Forbidden, "stream-read-only", "%s is read-only")
	// ErrBadSequence reports a sequence beyond the head, or a negative one.
	ErrBadSequence = fault.New(fault.Invalid, "sequence-invalid", "%s has no entry %d")
)

// Stream is a stream with an agent's read cursor.
type Stream struct {
	ID     string     `json:"id"`
	Kind   StreamKind `json:"kind"`
	Title  string     `json:"title"`
	Head   int64      `json:"head"`   // sequence of the newest entry
	Read   int64      `json:"read"`   // sequence of the newest entry read by the agent
	Unread int64      `json:"unread"` // number of messages and notices after Read
}

// StreamKind decides who may read and write a stream.
type StreamKind string

// The kinds of stream.
const (
	Room        StreamKind = "room"    // all agents read and write
	CompanyFeed StreamKind = "company" // all agents read, the business writes
	OwnFeed     StreamKind = "own"     // the owner reads, the business writes
)

// The streams that always exist.
const (
	General = "General" // a room
	Company = "Company" // the company feed
)

const ownPrefix = "Own:"

// Own returns the id of an agent's own feed. The feed is created with the first entry.
func Own(login string) string { return ownPrefix + login }

// Owner returns the agent of an own feed.
func Owner(stream string) (login string, ok bool) { return strings.CutPrefix(stream, ownPrefix) }

// KindOf derives a stream's kind from the id.
func KindOf(stream string) StreamKind {
	switch {
	case stream == Company:
		return CompanyFeed
	case strings.HasPrefix(stream, ownPrefix):
		return OwnFeed
	default:
		return Room
	}
}

// TitleOf returns a stream's title for a page.
func TitleOf(stream string) string {
	if KindOf(stream) == OwnFeed {
		return "Your own"
	}
	return stream
}

// Readable lists the streams readable by an agent.
func Readable(login string) []string { return []string{General, Company, Own(login)} }

// CheckReadable returns ErrNoStream for a stream forbidden to an agent.
func CheckReadable(login, stream string) error {
	if slices.Contains(Readable(login), stream) {
		return nil
	}
	return ErrNoStream.With(stream)
}
