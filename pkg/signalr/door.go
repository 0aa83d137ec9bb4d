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
	errFull     = errors.New("too many connections")
	errDraining = errors.New("shutting down")
)

type set map[*Conn]struct{}

// door knows every connection from before its upgrade until its last goroutine
// has ended, and lets no more in once it is closed.
type door struct {
	mu     sync.Mutex
	inside set
	closed bool
	empty  chan struct{} // closed when the last one leaves; nil while nobody is inside
}

// check says whether one more would be let in.
func (d *door) check(limit int) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.locked(limit)
}

// locked says why the door is locked, if it is. The caller holds mu.
func (d *door) locked(limit int) error {
	switch {
	case d.closed:
		return errDraining
	case limit > 0 && len(d.inside) >= limit:
		return errFull
	default:
		return nil
	}
}

func (d *door) enter(c *Conn, limit int) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.locked(limit); err != nil {
		return err
	}
	if d.inside == nil {
		d.inside = make(set)
	}
	if len(d.inside) == 0 {
		d.empty = make(chan struct{})
	}
	d.inside[c] = struct{}{}
	return nil
}

func (d *door) leave(c *Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.inside, c)
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
