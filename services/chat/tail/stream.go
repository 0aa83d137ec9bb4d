package tail

import (
	"slices"

	"parley.internal/chat"
)

const (
	maxParked   = 1024 // entries of a stream parked behind a gap; more are read from the log later
	maxBuffered = 256  // newest pushed entries of a stream, kept for Follow
	maxNewest   = 8    // streams in recent
)

// stream is the state of a stream: how far entries were pushed and verified.
type stream struct {
	pushed   chat.Cursor // the newest pushed entry
	verified chat.Cursor // the newest entry found in the log after the push
	diverged bool        // a pushed entry differs from the log's

	parked map[int64]chat.Entry // by sequence: entries behind a gap
	buffer []chat.Entry         // the newest pushed entries, without a gap
}

// reset forgets the pushed entries: the entry after the cursor is next.
func (s *stream) reset(at chat.Cursor) {
	*s = stream{pushed: at, verified: at, parked: make(map[int64]chat.Entry)}
}

// accept takes an arriving entry and returns the entries to push: e, if next in sequence,
// and the entries parked behind e. Otherwise accept parks e, or ignores a duplicate.
func (s *stream) accept(e chat.Entry) (next []chat.Entry) {
	if e.Sequence <= s.pushed.Sequence || (e.Sequence > s.pushed.Sequence+1 && len(s.parked) >= maxParked) {
		return nil
	}
	s.parked[e.Sequence] = e
	for {
		e, found := s.parked[s.pushed.Sequence+1]
		if !found {
			return next
		}
		delete(s.parked, e.Sequence)
		s.pushed = e.Cursor()
		if len(s.buffer) >= 2*maxBuffered {
			s.buffer = slices.Clone(s.buffer[len(s.buffer)-maxBuffered:])
		}
		s.buffer = append(s.buffer, e)
		next = append(next, e)
	}
}

// conflicts reports whether an entry with the cursor's sequence, but another tag,
// was pushed.
func (s *stream) conflicts(at chat.Cursor) bool {
	if at.Sequence == s.pushed.Sequence {
		return at != s.pushed
	}
	i := s.index(at.Sequence)
	return i >= 0 && i < len(s.buffer) && s.buffer[i].Cursor() != at
}

// after returns the pushed entries after a sequence, and false for a sequence older than
// the buffer or not pushed yet.
func (s *stream) after(sequence int64) (entries []chat.Entry, buffered bool) {
	i := s.index(sequence) + 1
	if sequence > s.pushed.Sequence || i < 0 {
		return nil, false
	}
	return s.buffer[i:], true
}

// index is the place of a sequence in buffer, perhaps out of range.
func (s *stream) index(sequence int64) int {
	return len(s.buffer) - 1 - int(s.pushed.Sequence-sequence)
}

// recent lists the streams with the newest entries, the newest last. A log with these
// entries was not rolled back.
type recent []string

// recentOf takes heads sorted newest first.
func recentOf(heads []chat.Head) (r recent) {
	for _, h := range slices.Backward(heads) {
		r.add(h.Stream)
	}
	return r
}

func (r *recent) add(stream string) {
	*r = append(slices.DeleteFunc(*r, func(other string) bool { return other == stream }), stream)
	*r = slices.Delete(*r, 0, max(0, len(*r)-maxNewest))
}
