package chat

import (
	"encoding/json"
	"slices"
)

// How much of a stream an agent who joins is given.
const (
	MostFollowing = 200      // entries after a cursor
	LastPage      = 50       // entries without one
	MaxSnapshot   = 64 << 10 // bytes of all entries, as JSON
)

// Snapshot is all that an agent may read, at one moment.
type Snapshot struct {
	Streams []JoinedStream
	Resync  []string // streams that were set back to before the agent's cursor
}

// JoinedStream is a stream, and what the agent does not have of it: after a
// cursor what followed, without one the last page. The oldest is first.
type JoinedStream struct {
	Stream

	Entries []Entry `json:"entries"`
	// More says, after a cursor, that some up to the head are not here; without
	// one, that there are older ones.
	More bool `json:"more"`

	Known bool   `json:"-"` // there was a cursor
	Had   int64  `json:"-"` // up to where; 0 without one
	Tag   string `json:"-"` // of the head
}

// Cursor is that of the newest entry.
func (s *JoinedStream) Cursor() Cursor { return Cursor{Sequence: s.Head, Tag: s.Tag} }

// Fit leaves out entries until all have at most so many bytes as JSON: the
// newest after a cursor, else the oldest. What a stream does not need the others
// may have.
func (s *Snapshot) Fit(bytes int) {
	sizes := make(map[string]int, len(s.Streams))
	small := make([]*JoinedStream, len(s.Streams)) // the smallest first
	for i := range s.Streams {
		small[i] = &s.Streams[i]
		for _, e := range small[i].Entries {
			sizes[small[i].ID] += e.size()
		}
	}
	slices.SortFunc(small, func(a, b *JoinedStream) int { return sizes[a.ID] - sizes[b.ID] })
	for i, stream := range small {
		bytes -= stream.fit(bytes / (len(small) - i))
	}
}

// fit says how many bytes the stream has then.
func (s *JoinedStream) fit(bytes int) (used int) {
	if s.Known {
		s.Entries, used = first(s.Entries, bytes)
	} else {
		slices.Reverse(s.Entries)
		s.Entries, used = first(s.Entries, bytes)
		slices.Reverse(s.Entries)
	}
	s.More = s.Had+int64(len(s.Entries)) < s.Head
	return used
}

// Newest leaves out the oldest entries until the others have at most so many
// bytes as JSON.
func Newest(entries []Entry, bytes int) []Entry {
	newest := slices.Clone(entries)
	slices.Reverse(newest)
	newest, _ = first(newest, bytes)
	slices.Reverse(newest)
	return newest
}

// first is as many as have at most so many bytes; never nil.
func first(entries []Entry, bytes int) (kept []Entry, used int) {
	kept = []Entry{}
	for _, e := range entries {
		size := e.size()
		if used+size > bytes {
			break
		}
		kept, used = append(kept, e), used+size
	}
	return kept, used
}

// size is how many bytes the entry has in a list.
func (e Entry) size() int {
	text, err := json.Marshal(e)
	if err != nil {
		panic(err) // Texts, numbers and a time always have a form.
	}
	return len(text) + len(",")
}
