package hub

import (
	"context"
	"errors"

	"parley.internal/chat"
)

// followTries is how often the log is read for one that begins to follow a
// stream while it grows.
const followTries = 20

var (
	// errBehind says that somebody could not be brought up to what was pushed.
	errBehind = errors.New("behind what was pushed")
	errBusy   = errors.New("the log grows faster than it can be followed")
)

// Follow has hear called with what follows a position that was read from the log,
// up to what has been pushed, and then enter: what is pushed from then on is what
// comes next. hear and enter are called under the lock under which entries are
// pushed. When hear reports false the answer is errBehind; chat.ErrResync if the
// log does not hold the position.
func (d *Delivery) Follow(ctx context.Context, stream string, from chat.Cursor, hear func(chat.Entry) bool, enter func()) error {
	for range followTries {
		if done, err := d.join(stream, from, hear, enter); done || err != nil {
			return err
		}
		entries, err := d.follows(ctx, stream, from)
		if err != nil {
			return err
		}
		if entries == nil {
			return chat.ErrResync
		}
		// Either what was pushed is not this log's, or it is behind the position,
		// or too far ahead of it to be remembered.
		if err := d.catchUp(ctx, stream, from); err != nil {
			return err
		}
		for _, e := range entries {
			if !hear(e) {
				return errBehind
			}
			from = e.Cursor()
		}
	}
	return errBusy
}

// join ends Follow if what was pushed joins on to the position.
func (d *Delivery) join(stream string, from chat.Cursor, hear func(chat.Entry) bool, enter func()) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.stream(stream)
	entries, known := p.after(from.Sequence)
	if !known || p.contradicts(from) {
		return false, nil
	}
	for _, e := range entries {
		if !hear(e) {
			return false, errBehind
		}
	}
	enter()
	return true, nil
}

func (d *Delivery) catchUp(ctx context.Context, stream string, from chat.Cursor) error {
	d.mu.Lock()
	p := d.stream(stream)
	other, behind := p.contradicts(from), p.pushed.Sequence < from.Sequence
	if other {
		d.suspect(p)
	}
	d.mu.Unlock()
	if behind && !other {
		return d.fillOne(ctx, stream, from.Sequence)
	}
	pushed, checked := d.read([]string{stream})
	if lost, err := d.lost(ctx, pushed, checked); err != nil || len(lost) == 0 {
		return err
	}
	return d.compare(ctx)
}
