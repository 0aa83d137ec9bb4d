package chat

import (
	"encoding/base64"
	"encoding/json"

	"parley.internal/pkg/fault"
)

// Position is how far a stream has been read: its entry of that sequence, which
// had that tag, was the last one. The zero Position is before the first.
type Position struct {
	Sequence int64  `json:"s"`
	Tag      string `json:"t,omitempty"`
}

// Head is where a stream ends.
type Head struct {
	Position

	Stream string
}

// Cursor is how far each stream has been read. A stream that is not in it has
// not been read at all.
type Cursor map[string]Position

// Page is a part of all that an agent may read.
type Page struct {
	Entries []Entry // each stream's in sequence; streams are mixed by time
	Cursor  Cursor  // what follows begins here
	More    bool
}

// The errors of cursors.
var (
	ErrBadCursor = fault.New(fault.Invalid, "cursor-invalid", "this is not a cursor that was given out here")
	// ErrResync says that the log no longer holds what the cursor has read: it
	// was set back, and whoever read it must read it anew.
	ErrResync = fault.New(fault.Gone, "resync", "the log was set back to before this cursor; read it again from a time")
)

// String is the cursor in the form in which clients keep it; it means nothing
// to them.
func (c Cursor) String() string {
	text, err := json.Marshal(c)
	if err != nil {
		panic(err) // A map of strings and numbers always has a form.
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

// ParseCursor reads what String wrote, or answers ErrBadCursor.
func ParseCursor(s string) (Cursor, error) {
	text, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return nil, ErrBadCursor
	}
	var c Cursor
	if err := json.Unmarshal(text, &c); err != nil || c == nil {
		return nil, ErrBadCursor
	}
	return c, c.Check()
}

// Check answers ErrBadCursor for a cursor that was not given out here.
func (c Cursor) Check() error {
	for _, p := range c {
		if p.Sequence < 0 || (p.Sequence > 0) != (p.Tag != "") {
			return ErrBadCursor
		}
	}
	return nil
}
