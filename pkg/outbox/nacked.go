package outbox

import (
	"slices"
	"sync"
	"time"
)

const (
	nackedProbe = 16                     // events, of a type of which none was taken
	nackedRise  = 4                      // times as many are published together when all were taken
	nackedFirst = 250 * time.Millisecond // the type rests for so long,
	nackedMost  = 5 * time.Second        // longer each time, up to so long
	nackedTold  = 4                      // times in a row, until an operator is told: a leader's election is over by then
)

// nacked knows the types of which the transport has just not taken all: a queue
// is full, or without a majority. It may be so for hours, with any number of
// events waiting, and each that is tried costs others their time. So they are
// published apart from the rest, in their order, few at a time, and as many as
// were taken last time when some were. It is safe for concurrent use.
type nacked struct {
	mu    sync.Mutex
	types map[string]*nackedType
}

// nackedType is how it stands with a type.
type nackedType struct {
	most  int       // published together
	times int       // in a row that none was taken
	last  time.Time // when some were not
	next  time.Time // when some are published again
}

// note remembers how many of a batch the transport did not take, and how many had
// another answer, by type.
func (n *nacked) note(now time.Time, not, answered map[string]int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.types == nil {
		n.types = make(map[string]*nackedType)
	}
	for name := range not {
		t := n.types[name]
		if t == nil {
			t = &nackedType{}
			n.types[name] = t
		}
		t.note(now, answered[name])
	}
	for name := range answered {
		t := n.types[name]
		if t == nil || not[name] > 0 {
			continue
		}
		t.most *= nackedRise
		t.times, t.next = 0, now
		if t.most >= relayBatch {
			delete(n.types, name)
		}
	}
}

func (t *nackedType) note(now time.Time, taken int) {
	rest := nackedFirst
	if taken > 0 {
		t.times = 0
	} else {
		rest = min(nackedFirst<<min(t.times, 8), nackedMost)
		t.times++
	}
	t.most, t.last, t.next = max(2*taken, nackedProbe), now, now.Add(rest)
}

// held are the types that are published apart, and how many of each that is due.
func (n *nacked) held(now time.Time) (all []string, due map[string]int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	due = make(map[string]int)
	for name, t := range n.types {
		all = append(all, name)
		if !now.Before(t.next) {
			due[name] = t.most
			t.next = now.Add(nackedFirst) // Unless note says something else.
		}
	}
	return all, due
}

// none notes that there was nothing due of a type: perhaps there is nothing of it
// at all any more.
func (n *nacked) none(now time.Time, name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if t := n.types[name]; t != nil && now.Sub(t.last) > 2*nackedMost {
		delete(n.types, name)
	}
}

// told are the types of which none has been taken several times in a row.
func (n *nacked) told() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var types []string
	for name, t := range n.types {
		if t.times >= nackedTold {
			types = append(types, name)
		}
	}
	slices.Sort(types)
	return types
}

// forget is for when somebody else publishes.
func (n *nacked) forget() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.types = nil
}
