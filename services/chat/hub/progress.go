package hub

import (
	"slices"

	"parley.internal/chat"
)

const (
	deliveryHeld = 1024 // entries of one stream that came before their predecessor; more are found in the log
	recentMost   = 256  // entries of one stream that a socket that joins is given without the log
	newestMost   = 8    // streams
)

// progress is how far a stream has been pushed.
type progress struct {
	pushed  chat.Cursor
	checked chat.Cursor          // was found in the log after it was pushed
	other   bool                 // what was pushed is not what the log holds
	held    map[int64]chat.Entry // behind a hole
	recent  []chat.Entry         // the newest that were pushed, without a hole
}

// begin forgets what was pushed.
func (p *progress) begin(at chat.Cursor) {
	*p = progress{pushed: at, checked: at, held: make(map[int64]chat.Entry)}
}

// take is what can be pushed now that e is here.
func (p *progress) take(e chat.Entry) (next []chat.Entry) {
	if e.Sequence <= p.pushed.Sequence || (e.Sequence > p.pushed.Sequence+1 && len(p.held) >= deliveryHeld) {
		return nil
	}
	p.held[e.Sequence] = e
	for {
		e, here := p.held[p.pushed.Sequence+1]
		if !here {
			return next
		}
		delete(p.held, e.Sequence)
		p.pushed = e.Cursor()
		if len(p.recent) >= 2*recentMost {
			p.recent = slices.Clone(p.recent[len(p.recent)-recentMost:])
		}
		p.recent = append(p.recent, e)
		next = append(next, e)
	}
}

// contradicts reports whether another entry was pushed with this number.
func (p *progress) contradicts(at chat.Cursor) bool {
	if at.Sequence == p.pushed.Sequence {
		return at != p.pushed
	}
	i := p.index(at.Sequence)
	return i >= 0 && i < len(p.recent) && p.recent[i].Cursor() != at
}

// after is what was pushed behind a sequence, if that is known.
func (p *progress) after(sequence int64) (entries []chat.Entry, known bool) {
	i := p.index(sequence) + 1
	if sequence > p.pushed.Sequence || i < 0 {
		return nil, false
	}
	return p.recent[i:], true
}

// index is where a sequence is in recent, or would be.
func (p *progress) index(sequence int64) int {
	return len(p.recent) - 1 - int(p.pushed.Sequence-sequence)
}

// recency lists streams, the one that got an entry last at the end.
type recency []string

func (r *recency) add(stream string) {
	if i := slices.Index(*r, stream); i >= 0 {
		*r = slices.Delete(*r, i, i+1)
	}
	if *r = append(*r, stream); len(*r) > newestMost {
		*r = slices.Delete(*r, 0, 1)
	}
}
