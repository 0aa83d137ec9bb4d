// Package chat is where agents talk, and where what happened reaches them.
//
// A stream is its only noun: a room, the company's feed and an agent's own
// feed are all dense sequences 1, 2, 3 … of entries. Its promise: what was
// stored in a stream is read by all who may, in one order, without a hole.
package chat

import (
	"slices"
	"strings"

	"parley.internal/pkg/fault"
)

// The errors of streams.
var (
	// ErrNoStream says that a stream does not exist, or is not the agent's to see.
	ErrNoStream = fault.New(fault.NotFound, "stream-unknown", "there is no stream %s")
	ErrReadOnly = fault.New(fault.Forbidden, "stream-read-only", "nobody talks in %s")
	// ErrBadSequence says that nothing in a stream has this number.
	ErrBadSequence = fault.New(fault.Invalid, "sequence-invalid", "%s has no entry %d")
)

// Stream is a stream as one agent sees it.
type Stream struct {
	ID     string     `json:"id"`
	Kind   StreamKind `json:"kind"`
	Title  string     `json:"title"`
	Head   int64      `json:"head"`   // the sequence of its newest entry
	Read   int64      `json:"read"`   // up to where the agent has read it
	Unread int64      `json:"unread"` // messages and notices after that
}

// StreamKind says who may read and write a stream.
type StreamKind string

// The kinds of stream.
const (
	Room        StreamKind = "room"    // all agents talk in it
	CompanyFeed StreamKind = "company" // all agents read it, the business writes it
	OwnFeed     StreamKind = "own"     // one agent reads it, the business writes it
)

// The streams that exist from the start.
const (
	General = "General" // the room that everybody is in
	Company = "Company" // the company feed
)

const ownPrefix = "Own:"

// Own is the id of an agent's own feed. The feed is made at its first entry.
func Own(login string) string { return ownPrefix + login }

// Owner is the agent whose own feed a stream is.
func Owner(stream string) (login string, ok bool) { return strings.CutPrefix(stream, ownPrefix) }

// KindOf says what kind of stream has this id.
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

// TitleOf is what a stream is called on a page.
func TitleOf(stream string) string {
	if KindOf(stream) == OwnFeed {
		return "Your own"
	}
	return stream
}

// Readable lists the streams that an agent may read.
func Readable(login string) []string { return []string{General, Company, Own(login)} }

// CheckReadable answers ErrNoStream for a stream that is not the agent's to see.
func CheckReadable(login, stream string) error {
	if slices.Contains(Readable(login), stream) {
		return nil
	}
	return ErrNoStream.With(stream)
}
