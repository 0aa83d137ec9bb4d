package outbox

import (
	"maps"
	"slices"
	"sync"
	"time"
)

const (
	nackedFirst = 250 * time.Millisecond // an event that was not taken lets others go first for so long
	nackedSoon  = 4                      // so often; then for longer each time: a leader's election is over by then
	nackedMost  = 5 * time.Second        //
)

// nacked knows the types of which the transport has just not taken all: a full
// queue, or one without a majority. It is safe for concurrent use.
type nacked struct {
	mu    sync.Mutex
	times map[string]int // in a row, by type
}

// note remembers which types of a batch were taken, and of which not all: those
// ids, by type. It returns these ids by how long they rest.
func (n *nacked) note(taken map[string]bool, not map[string][]string) map[time.Duration][]string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.times == nil {
		n.times = make(map[string]int)
	}
	maps.DeleteFunc(n.times, func(t string, _ int) bool { return taken[t] && not[t] == nil })
	rests := make(map[time.Duration][]string)
	for t, ids := range not {
		n.times[t]++
		rest := nackedFirst << min(max(n.times[t]-nackedSoon, 0), 8)
		rest = min(rest, nackedMost)
		rests[rest] = append(rests[rest], ids...)
	}
	return rests
}

// types are those of which some have not been taken several times in a row.
func (n *nacked) types() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var types []string
	for t, times := range n.times {
		if times >= nackedSoon {
			types = append(types, t)
		}
	}
	slices.Sort(types)
	return types
}

// forget is for when somebody else publishes.
func (n *nacked) forget() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.times = nil
}
