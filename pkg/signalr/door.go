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
	errFull       = errors.New("too many connections")
	errBusy       = errors.New("too many connect just now")
	errHandshakes = errors.New("too many connections without a handshake")
	errDraining   = errors.New("shutting down")
)

type set map[*Conn]struct{}

// door knows every connection from before its upgrade until its last goroutine
// has ended, and lets no more in once it is closed.
type door struct {
	mu     sync.Mutex
	inside set
	new    int            // of those inside: they have not shaken hands
	newOf  map[string]int // by user
	closed bool
	empty  chan struct{} // closed when the last one leaves; nil while nobody is inside
}

// check says whether one more of a user's would be let in.
func (d *door) check(o *Options, user string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.locked(o, user)
}

// leastHandshakes is how many connections without a handshake a user may have,
// however few there may be of all: a browser opens those of its tabs at once.
const leastHandshakes = 4

// locked says why the door is locked, if it is. The caller holds mu.
func (d *door) locked(o *Options, user string) error {
	switch {
	case d.closed:
		return errDraining
	case o.MaxConnections > 0 && len(d.inside) >= o.MaxConnections:
		return errFull
	case o.MaxHandshakes > 0 && d.new >= o.MaxHandshakes:
		return errHandshakes
	case o.MaxHandshakes > 0 && user != "" && d.newOf[user] >= max(leastHandshakes, o.MaxHandshakes/10):
		return errHandshakes
	default:
		return nil
	}
}

func (d *door) enter(c *Conn) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.locked(&c.hub.options, c.identity.User); err != nil {
		return err
	}
	d.new++
	put(&d.newOf, c.identity.User, d.newOf[c.identity.User]+1)
	if d.inside == nil {
		d.inside = make(set)
	}
	if len(d.inside) == 0 {
		d.empty = make(chan struct{})
	}
	d.inside[c] = struct{}{}
	return nil
}

// greeted is about one inside that has shaken hands.
func (d *door) greeted(c *Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.known(c)
}

// known is when a connection is no longer new. The caller holds mu.
func (d *door) known(c *Conn) {
	d.new--
	if d.newOf[c.identity.User]--; d.newOf[c.identity.User] == 0 {
		delete(d.newOf, c.identity.User)
	}
}

func (d *door) leave(c *Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.inside, c)
	if !c.greeted.Load() {
		d.known(c)
	}
	if len(d.inside) == 0 {
		close(d.empty)
		d.empty = nil
	}
}

// close lets nobody in any more and returns who is inside.
func (d *door) close() []*Conn {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	return slices.Collect(maps.Keys(d.inside))
}

func (d *door) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.inside)
}

func (d *door) countBy() map[Transport]int {
	d.mu.Lock()
	defer d.mu.Unlock()
	count := make(map[Transport]int)
	for c := range d.inside {
		count[c.via]++
	}
	return count
}

func (d *door) wait(ctx context.Context) error {
	d.mu.Lock()
	empty := d.empty
	d.mu.Unlock()
	if empty == nil {
		return nil
	}
	select {
	case <-empty:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for %d connections: %w", d.count(), ctx.Err())
	}
}
