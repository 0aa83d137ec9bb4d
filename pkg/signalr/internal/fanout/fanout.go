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
	"sync/atomic"
	"time"

	"parley.internal/pkg/signalr/internal/wire"
)

// Fanout owns the frame logs, the send queues and the writer goroutines of a hub. All methods are safe
// for concurrent use.
type Fanout struct {
	limit       int // bytes that may wait for a client
	started     time.Time
	connections [wire.Formats]atomic.Int32 // admitted connections per format

	mu      sync.Mutex
	logs    map[logKey]*frameLog // the logs with members
	ready   *Queue               // first of the linked list of queues that wait for a writer, first in, first out
	end     **Queue              // the link behind the last of them
	writers int                  // running writer goroutines
	idle    sync.Cond            // writers is 0
}

// New returns a fan-out in which at most limit bytes wait for each client.
func New(limit int) *Fanout {
	f := &Fanout{limit: limit, started: time.Now(), logs: make(map[logKey]*frameLog)}
	f.end = &f.ready
	f.idle.L = &f.mu
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
	var frames [wire.Formats][]byte
	for format := range wire.Formats {
		if f.connections[format].Load() > 0 {
			frames[format] = format.Encode(m)
		}
	}
	limit := f.limit
	if a.LeaveLagging {
		limit = min(a.Within, limit)
	}

	f.mu.Lock()
	defer f.mu.Unlock()
	for _, q := range a.Except {
		q.stopReading() // every reader of a log reads all appended frames
		q.excluded = true
	}
	for format := range wire.Formats {
		l := f.logs[logKey{a.Scope, a.Name, format}]
		if l == nil {
			continue
		}
		if frames[format] == nil { // the first connection of this format was admitted meanwhile
			frames[format] = format.Encode(m)
		}
		for _, q := range l.send(frames[format], limit) {
			if !a.LeaveLagging {
				q.discard()
			} else if a.Scope == Group {
				q.leave(l)
			}
			lagging = append(lagging, q.conn)
		}
	}
	for _, q := range a.Except {
		q.excluded = false
	}
	return lagging
}

// Dissolve removes all members of a group and returns their connections.
func (f *Fanout) Dissolve(name string) (removed []Connection) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for format := range wire.Formats {
		l := f.logs[logKey{Group, name, format}]
		for l != nil && len(l.members) > 0 {
			q := l.members[0].queue
			q.leave(l)
			removed = append(removed, q.conn)
		}
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
