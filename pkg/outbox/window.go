package outbox

import (
	"sync"

	"parley.internal/pkg/event"
)

// inFlight is the publish window: the ids of events that are being published or
// settled, which the reader must not read again. inFlight is safe for concurrent use.
type inFlight struct {
	mu      sync.Mutex
	ids     map[string]bool
	settled []string
	reread  bool // some settled events are still pending
}

// add returns the events of a batch that are not in flight yet, and adds them.
func (f *inFlight) add(batch []event.Message) []event.Message {
	f.mu.Lock()
	defer f.mu.Unlock()
	var fresh []event.Message
	for _, m := range batch {
		if !f.ids[m.ID] {
			f.ids[m.ID] = true
			fresh = append(fresh, m)
		}
	}
	return fresh
}

// settle records that events were settled, or not published if reread is set. They
// stay in flight until drop is called: a read that is running sees them pending.
func (f *inFlight) settle(ids []string, reread bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.settled = append(f.settled, ids...)
	f.reread = f.reread || reread
}

// drop removes the settled events before a read. It reports whether some of them are
// to be read again.
func (f *inFlight) drop() (reread bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range f.settled {
		delete(f.ids, id)
	}
	reread, f.reread, f.settled = f.reread, false, nil
	return reread
}
