package tail

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"time"

	"parley.internal/chat"
)

// cursors point to entries expected in the log. Another log may take over between the push
// of an entry and the verification: both cursors are compared.
type cursors struct{ pushed, verified chat.Cursors }

// cursorsOf returns the cursors of streams. The caller holds mu.
func (t *Tail) cursorsOf(streams []string) cursors {
	c := cursors{make(chat.Cursors, len(streams)), make(chat.Cursors, len(streams))}
	for _, id := range streams {
		s := t.stream(id)
		c.pushed[id], c.verified[id] = s.pushed, s.verified
	}
	return c
}

func (t *Tail) cursorsOfNewest() cursors {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.cursorsOf(t.newest)
}

func (t *Tail) cursorsOfAll() cursors {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.cursorsOf(slices.Collect(maps.Keys(t.streams)))
}

// markVerified records pushed entries as found in the log.
func (t *Tail) markVerified(found chat.Cursors) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id, at := range found {
		t.stream(id).verified = at
	}
}

// suspect marks a stream as diverged, and wakes Run to resync. The caller holds mu.
func (t *Tail) suspect(s *stream) {
	s.diverged = true
	select {
	case t.suspicion <- struct{}{}:
	default:
	}
}

// rolledBack returns the streams without their entries in the log, and all diverged
// streams.
func (t *Tail) rolledBack(ctx context.Context, at cursors) (map[string]bool, error) {
	found := make(map[string]bool)
	for _, held := range []chat.Cursors{at.pushed, at.verified} {
		streams, err := t.log.RolledBack(ctx, held)
		if err != nil {
			return nil, err
		}
		for _, id := range streams {
			found[id] = true
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for id, s := range t.streams {
		if s.diverged {
			found[id] = true
		}
	}
	return found, nil
}

// resync compares all streams with the log. Rolled back streams continue at their present
// head, and subscribers are told.
func (t *Tail) resync(ctx context.Context) error {
	t.resyncing.Lock()
	defer t.resyncing.Unlock()
	rolledBack, err := t.rolledBack(ctx, t.cursorsOfAll())
	if err != nil || len(rolledBack) == 0 {
		return err
	}
	heads, err := t.log.Heads(ctx, time.Time{})
	if err != nil {
		return err
	}
	now := make(chat.Cursors, len(heads))
	for _, h := range heads {
		now[h.Stream] = h.Cursor
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for id := range rolledBack {
		s := t.stream(id)
		slog.WarnContext(ctx, "log rolled back", "stream", id, "from", s.pushed.Sequence, "to", now[id].Sequence)
		s.reset(now[id])
	}
	t.newest = recentOf(heads)
	for _, subscriber := range t.subscribers {
		if subscriber.Resync != nil {
			subscriber.Resync(slices.Collect(maps.Keys(rolledBack)))
		}
	}
	return nil
}
