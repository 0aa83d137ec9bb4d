package chat

import (
	"encoding/base64"
	"encoding/json"

	"parley.internal/pkg/fault"
)

// Cursor tells how far a stream was read: up to and including the entry with this
// sequence and tag. After a rollback of the log the entry at that sequence has
// another tag, or is missing. The zero Cursor stands before the first entry.
type Cursor struct {
	Sequence int64  `json:"s"`
	Tag      string `json:"t,omitempty"`
}

// Head is the cursor of a stream's newest entry.
type Head struct {
	Cursor

	Stream string
}

// Cursors maps streams to cursors. A stream without a cursor was never read.
type Cursors map[string]Cursor

// Page is a page of an agent's entries.
type Page struct {
	Entries []Entry // each stream's in sequence; streams are mixed by time
	Cursors Cursors // the next page begins here
	More    bool
}

// The errors of cursors.
var (
	ErrBadCursor = fault.New(fault.Invalid, "cursor-invalid", "this is not a cursor that was given out here")
	// ErrResync reports a rollback of the log: the entry at the cursor is gone, and
	// the client must read the stream again.
	ErrResync = fault.New(fault.Gone, "resync", "the log was rolled back to before this cursor; read it again from a time")
)

// String encodes the cursors for clients, as an opaque text.
func (c Cursors) String() string {
	text, err := json.Marshal(c)
	if err != nil {
		panic(err) // A map of strings and numbers always encodes.
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

// ParseCursors decodes the result of String; other texts are ErrBadCursor.
func ParseCursors(s string) (Cursors, error) {
	text, err := base64.RawURLEncoding.DecodeString(s)
	var c Cursors
	if err != nil || json.Unmarshal(text, &c) != nil || c == nil {
		return nil, ErrBadCursor
	}
	return c, c.Check()
}

// Check returns ErrBadCursor for a cursor without a tag, or with a negative sequence.
func (c Cursors) Check() error {
	for _, cursor := range c {
		if cursor.Sequence < 0 || (cursor.Sequence > 0) != (cursor.Tag != "") {
			return ErrBadCursor
		}
	}
	return nil
}
