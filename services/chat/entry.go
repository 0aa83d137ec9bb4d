package chat

import (
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"parley.internal/pkg/fault"
)

// EntryKind distinguishes messages from notices.
type EntryKind string

// The kinds of entry.
const (
	Message EntryKind = "message" // written by an agent
	Notice  EntryKind = "notice"  // made from an event, or an administrator's announcement
)

// Draft is an entry before storing.
type Draft struct {
	Stream string
	Source string // of a notice: the service publishing the event
	ID     string // the author's choice, or the event's id; storing a draft twice stores it once
	Kind   EntryKind
	Author string // a login; empty for a notice made from an event
	Avatar string // the author's picture at the time of writing
	Body   string

	ReplyTo int64 // the sequence of the answered entry; 0: none
}

// Entry is stored in a stream.
type Entry struct {
	Stream   string    `json:"stream"`
	Sequence int64     `json:"sequence"` // 1, 2, 3 … in the stream
	Tag      string    `json:"tag"`      // random: after a rollback the entry at the same sequence has another tag
	Ordinal  int64     `json:"ordinal"`  // number of messages and notices in the stream up to this entry
	ID       string    `json:"id"`
	Kind     EntryKind `json:"kind"`
	Source   string    `json:"-"` // as in Draft
	Author   string    `json:"author"`
	Avatar   string    `json:"avatar"`
	Body     string    `json:"body"`
	ReplyTo  int64     `json:"replyTo,omitempty"` // as in Draft
	At       time.Time `json:"at"`                // UTC; never earlier than the preceding entry
}

// Cursor returns the entry's cursor in the stream.
func (e Entry) Cursor() Cursor { return Cursor{Sequence: e.Sequence, Tag: e.Tag} }

// Limits of a draft.
const (
	MaxText = 4000 // characters of a message
	MaxID   = 64   // characters of a client's id
)

// The errors of drafts.
var (
	ErrTextEmpty   = fault.New(fault.Invalid, "text-empty", "there is nothing in the message")
	ErrTextTooLong = fault.New(fault.Invalid, "text-too-long", "a message has at most %d characters")
	ErrTextBroken  = fault.New(fault.Invalid, "text-broken", "the message holds characters that are not text")
	ErrIDReused    = fault.New(fault.Unprocessable, "client-id-reused", "this client id stands for another message; choose a new one")
	ErrNoReply     = fault.New(fault.NotFound, "reply-unknown", "%s has no entry %d to answer")
	ErrIDInvalid   = fault.New(fault.Invalid, "client-id-invalid", "a client id has 1 to %d visible characters of ASCII")
)

// check validates the id and the text.
func (d Draft) check() error {
	if d.ID == "" || len(d.ID) > MaxID || strings.ContainsFunc(d.ID, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return ErrIDInvalid.With(MaxID)
	}
	return checkText(d.Body)
}

// checkText returns an error for a text that is blank or too long, is not UTF-8, or
// holds control characters other than line breaks and tabs.
func checkText(text string) error {
	forbidden := func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' && r != '\r' }
	visible := func(r rune) bool { return unicode.IsGraphic(r) && !unicode.IsSpace(r) }
	switch {
	case !utf8.ValidString(text) || strings.ContainsFunc(text, forbidden):
		return ErrTextBroken
	case !strings.ContainsFunc(text, visible):
		return ErrTextEmpty
	case utf8.RuneCountInString(text) > MaxText:
		return ErrTextTooLong.With(MaxText)
	}
	return nil
}
