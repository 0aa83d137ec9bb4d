package chat

import (
	"time"
	"unicode"
	"unicode/utf8"

	"parley.internal/pkg/fault"
)

// EntryKind says what an entry is.
type EntryKind string

// The kinds of entry.
const (
	Message EntryKind = "message" // an agent said it
	Notice  EntryKind = "notice"  // it happened
)

// Draft is an entry that is not stored yet.
type Draft struct {
	Stream string
	Source string // of a notice: the service that published the event
	ID     string // chosen by its author, or by its source, an event's id: storing it twice stores it once
	Kind   EntryKind
	Author string // a login; "" for a notice
	Avatar string // the author's picture at that time
	Body   string

	ReplyTo int64 // the sequence of the entry that it answers; 0: none
}

// Entry is what was stored in a stream.
type Entry struct {
	Stream   string    `json:"stream"`
	Sequence int64     `json:"sequence"` // 1, 2, 3 … in its stream
	Tag      string    `json:"tag"`      // random: tells this entry from one that took its number after a restore
	Ordinal  int64     `json:"ordinal"`  // messages and notices up to this one
	ID       string    `json:"id"`
	Kind     EntryKind `json:"kind"`
	Source   string    `json:"-"` // as in Draft
	Author   string    `json:"author"`
	Avatar   string    `json:"avatar"`
	Body     string    `json:"body"`
	ReplyTo  int64     `json:"replyTo,omitempty"` // as in Draft
	At       time.Time `json:"at"`                // UTC; never before the entry that precedes it
}

// Cursor is that of the entry in its stream.
func (e Entry) Cursor() Cursor { return Cursor{Sequence: e.Sequence, Tag: e.Tag} }

// Bounds of what an agent sends.
const (
	MaxText = 4000 // characters of a message
	MaxID   = 64   // characters of an id that a client chooses
)

// The errors of what an agent sends.
var (
	ErrTextEmpty   = fault.New(fault.Invalid, "text-empty", "there is nothing in the message")
	ErrTextTooLong = fault.New(fault.Invalid, "text-too-long", "a message has at most %d characters")
	ErrTextBroken  = fault.New(fault.Invalid, "text-broken", "the message holds characters that are not text")
	ErrIDReused    = fault.New(fault.Unprocessable, "client-id-reused", "this client id stands for another message; choose a new one")
	ErrNoReply     = fault.New(fault.NotFound, "reply-unknown", "%s has no entry %d to answer")
	ErrIDInvalid   = fault.New(fault.Invalid, "client-id-invalid", "a client id has 1 to %d visible characters of ASCII")
)

// checkText refuses what is no message.
func checkText(text string) error {
	blank := true
	for _, r := range text {
		if unicode.IsControl(r) && r != '\n' && r != '\t' && r != '\r' {
			return ErrTextBroken
		}
		blank = blank && (unicode.IsSpace(r) || !unicode.IsGraphic(r))
	}
	switch {
	case !utf8.ValidString(text):
		return ErrTextBroken
	case blank:
		return ErrTextEmpty
	case utf8.RuneCountInString(text) > MaxText:
		return ErrTextTooLong.With(MaxText)
	}
	return nil
}

func checkID(id string) error {
	if id == "" || len(id) > MaxID {
		return ErrIDInvalid.With(MaxID)
	}
	for _, r := range id {
		if r <= ' ' || r > '~' {
			return ErrIDInvalid.With(MaxID)
		}
	}
	return nil
}
