package chat

import (
	"encoding/json"
	"slices"
)

// Limits of a snapshot.
const (
	MaxFollowing = 200      // entries of a stream after a cursor
	LastPage     = 50       // entries of a stream without a cursor
	MaxSnapshot  = 64 << 10 // bytes of all entries as JSON
)

// Snapshot holds all streams of an agent at a single moment.
type Snapshot struct {
	Streams []JoinedStream
	Resync  []string // streams rolled back to before the agent's cursor
}

// JoinedStream is a stream with the entries after the agent's cursor or, without a
// cursor, the last page. The oldest entry is first.
type JoinedStream struct {
	Stream

	Entries []Entry `json:"entries"`
	// More reports left out entries: with a cursor newer entries up to the head, without
	// a cursor older entries.
	More bool `json:"more"`

	HeadTag string  `json:"-"`
	After   *Cursor `json:"-"` // the agent's cursor; nil: no cursor
}

// HeadCursor returns the cursor of the newest entry.
func (s *JoinedStream) HeadCursor() Cursor { return Cursor{Sequence: s.Head, Tag: s.HeadTag} }

// Fit leaves out entries until all streams have at most so many bytes as JSON: the
// newest entries after a cursor, else the oldest. Bytes left over by small streams go to
// larger streams.
func (s *Snapshot) Fit(bytes int) {
	sizes := make(map[string]int, len(s.Streams))
	ascending := make([]*JoinedStream, len(s.Streams)) // by size
	for i := range s.Streams {
		ascending[i] = &s.Streams[i]
		for _, e := range ascending[i].Entries {
			sizes[ascending[i].ID] += e.size()
		}
	}
	slices.SortFunc(ascending, func(a, b *JoinedStream) int { return sizes[a.ID] - sizes[b.ID] })
	for i, stream := range ascending {
		bytes -= stream.fit(bytes / (len(ascending) - i))
	}
}

// fit leaves out entries and returns the size of the others.
func (s *JoinedStream) fit(bytes int) (used int) {
	var after int64
	if s.After != nil {
		after = s.After.Sequence
		s.Entries, used = oldest(s.Entries, bytes)
	} else {
		s.Entries, used = newest(s.Entries, bytes)
	}
	s.More = after+int64(len(s.Entries)) < s.Head
	return used
}

// Newest returns the newest entries within a number of bytes as JSON.
func Newest(entries []Entry, bytes int) []Entry {
	kept, _ := newest(entries, bytes)
	return kept
}

func newest(entries []Entry, bytes int) (kept []Entry, used int) {
	for i, e := range slices.Backward(entries) {
		size := e.size()
		if used+size > bytes {
			return entries[i+1:], used
		}
		used += size
	}
	return append([]Entry{}, entries...), used // never nil
}

// oldest returns the oldest entries within a number of bytes; never nil.
func oldest(entries []Entry, bytes int) (kept []Entry, used int) {
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

// size returns the entry's bytes in a JSON list.
func (e Entry) size() int {
	text, err := json.Marshal(e)
	if err != nil {
		panic(err) // Texts, numbers and a time always encode.
	}
	return len(text) + len(",")
}
