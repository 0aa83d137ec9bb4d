// Package chat is where agents talk, and where what happened reaches them.
//
// A stream is its only noun: a room, the company's feed and an agent's own
// feed are all dense sequences 1, 2, 3 … of entries. Its promise: what was
// stored in a stream is read by all who may, in one order, without a hole.
package chat

import (
	"strings"

	"parley.internal/pkg/fault"
)

// ErrNoStream says that a stream does not exist, or is not the agent's to see.
var ErrNoStream = fault.New(fault.NotFound, "stream-unknown", "there is no stream %s")

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
