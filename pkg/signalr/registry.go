package signalr

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
)

var (
	errTooManyConnections = errors.New("too many connections")
	errConnectRate        = errors.New("connection rate exceeded")
	errTooManyHandshakes  = errors.New("too many connections without a handshake")
	errDraining           = errors.New("shutting down")
)

// registry contains every connection from before the upgrade until the last goroutine has ended. The
// registry limits the admission of connections and admits none while the hub drains.
type registry struct {
	maxConnections int // 0: no limit
	maxHandshakes  int // 0: no limit

	mu          sync.Mutex
	connections map[*Conn]bool // true: before the handshake
	handshakes  int            // connections without a handshake
	byUser      map[string]int // the same by user
	draining    bool
	empty       chan struct{} // closed when the last connection leaves; nil: there is none
}

// minHandshakes is the guaranteed number of connections of a user without a handshake: a browser opens
// the connections of all tabs at once.
const minHandshakes = 4

// admissible returns the reason why a connection of a user would not be admitted, if any.
func (r *registry) admissible(user string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rejection(user)
}

// rejection is admissible for callers holding mu.
func (r *registry) rejection(user string) error {
	switch {
	case r.draining:
		return errDraining
	case r.maxConnections > 0 && len(r.connections) >= r.maxConnections:
		return errTooManyConnections
	case r.maxHandshakes > 0 && r.handshakes >= r.maxHandshakes:
		return errTooManyHandshakes
	case r.maxHandshakes > 0 && user != "" && r.byUser[user] >= max(minHandshakes, r.maxHandshakes/10):
		return errTooManyHandshakes
	default:
		return nil
	}
}

// add admits a connection.
func (r *registry) add(c *Conn) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.rejection(c.identity.User); err != nil {
		return err
	}
	if len(r.connections) == 0 {
		r.empty = make(chan struct{})
	}
	r.connections[c] = true
	r.handshakes++
	r.byUser[c.identity.User]++
	return nil
}

// handshakeDone counts a connection as established.
func (r *registry) handshakeDone(c *Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.connections[c] {
		r.connections[c] = false
		r.handshakes--
		if r.byUser[c.identity.User]--; r.byUser[c.identity.User] == 0 {
			delete(r.byUser, c.identity.User)
		}
	}
}

// remove forgets a connection.
func (r *registry) remove(c *Conn) {
	r.handshakeDone(c)
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.connections, c)
	if len(r.connections) == 0 {
		close(r.empty)
		r.empty = nil
	}
}

// drain admits no more connections and returns the present connections.
func (r *registry) drain() []*Conn {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.draining = true
	return slices.Collect(maps.Keys(r.connections))
}

func (r *registry) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.connections)
}

func (r *registry) countBy() map[Transport]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	count := make(map[Transport]int)
	for c := range r.connections {
		count[c.via]++
	}
	return count
}

// wait waits until there are no connections.
func (r *registry) wait(ctx context.Context) error {
	r.mu.Lock()
	empty := r.empty
	r.mu.Unlock()
	if empty == nil {
		return nil
	}
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for %d connections: %w", r.count(), ctx.Err())
	}
}
