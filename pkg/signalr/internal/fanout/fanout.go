// Package fanout delivers frames to connections. A broadcast is stored once, in a frame log per group
// and format, and every member reads the log at its own pace: a delivery costs one write to a socket,
// or less when several frames are written together. A few writer goroutines serve all connections and
// never wait: where a socket buffer is full, a goroutine of that connection continues.
//
// Its promise: frames reach each connection in the order of sending and without a hole, or the
// connection is sealed; a slow consumer delays no other connection and holds a bounded number of bytes.
package fanout

import (
	"sync"
	"time"

	"parley.internal/pkg/signalr/internal/wire"
)

// Fanout owns the groups, the send queues and the writer goroutines of a hub. All methods are safe for
// concurrent use.
type Fanout struct {
	limit   int // bytes that may wait for a client
	started time.Time

	mu       sync.Mutex
	registry registry
	ready    readyList
	writers  int       // running writer goroutines
	idle     sync.Cond // writers is 0
}

// New returns a fan-out in which at most limit bytes wait for each client.
func New(limit int) *Fanout {
	f := &Fanout{limit: limit, started: time.Now()}
	f.idle.L = &f.mu
	f.registry.users, f.registry.groups = make(map[string]*group), make(map[string]*group)
	return f
}

// Scope is the kind of an audience.
type Scope uint8

// The scopes.
const (
	All   Scope = iota // every connection
	User               // the connections of a user
	Group              // the members of a group
)

// Audience selects the receivers of a broadcast.
type Audience struct {
	Scope  Scope
	Name   string   // of the user or group
	Except []*Queue // excluded connections

	// LeaveLagging has lagging connections leave the group of the audience, if the audience is a
	// group, and keeps their queues. Otherwise their queues are sealed.
	LeaveLagging bool
	Within       int // with LeaveLagging: a connection lags if more bytes than this would wait
}

// Broadcast sends a message to an audience and returns the lagging connections, which do not get the
// message. They have left the group, or their queues are sealed, before any later broadcast.
func (f *Fanout) Broadcast(a Audience, m *wire.Message) (lagging []Connection) {
	frames := f.registry.encode(m)
	limit := f.limit
	if a.LeaveLagging {
		limit = min(a.Within, limit)
	}

	f.mu.Lock()
	defer f.mu.Unlock()
	g := f.registry.find(a)
	if g == nil {
		return nil
	}
	g.exclude(a.Except, true)
	defer g.exclude(a.Except, false)
	for format, l := range g.logs {
		if l == nil {
			continue
		}
		if frames[format] == nil { // the first member of this format joined after encode
			frames[format] = l.format.Encode(m)
		}
		for _, q := range l.send(frames[format], limit) {
			if !a.LeaveLagging {
				q.discard()
			} else if a.Scope == Group {
				g.remove(q)
			}
			lagging = append(lagging, q.conn)
		}
	}
	return lagging
}

// Dissolve removes all members of a group and returns their connections.
func (f *Fanout) Dissolve(name string) (removed []Connection) {
	f.mu.Lock()
	defer f.mu.Unlock()
	g := f.registry.groups[name]
	if g == nil {
		return nil
	}
	for _, q := range g.queues() {
		g.remove(q)
		removed = append(removed, q.conn)
	}
	return removed
}

// Wait waits until no writer goroutine runs.
func (f *Fanout) Wait() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.writers > 0 {
		f.idle.Wait()
	}
}
