package tail

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"time"

	"parley.internal/chat"
)

// cursors returns the cursors of streams, nil for all, expected in the log. Another log may take over between the
// push of an entry and the verification: the log must hold both.
func (t *Tail) cursors(streams []string) (pushed, verified chat.Cursors) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if streams == nil {
		streams = slices.Collect(maps.Keys(t.streams))
	}
	pushed, verified = make(chat.Cursors, len(streams)), make(chat.Cursors, len(streams))
	for _, id := range streams {
		s := t.stream(id)
		pushed[id], verified[id] = s.pushed, s.verified
	}
	return pushed, verified
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

// rolledBack returns the streams, nil for all, without their pushed and verified entries in
// the log, and all diverged streams. Without any, the pushed entries are found: see markVerified.
func (t *Tail) rolledBack(ctx context.Context, streams []string) (found map[string]bool, pushed chat.Cursors, _ error) {
	pushed, verified := t.cursors(streams)
	found = make(map[string]bool)
	for _, expected := range []chat.Cursors{pushed, verified} {
		missing, err := t.log.RolledBack(ctx, expected)
		if err != nil {
			return nil, nil, err
		}
		for _, id := range missing {
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
	return found, pushed, nil
}

// resync compares all streams with the log. Rolled back streams continue at their present
// head, and subscribers are told.
func (t *Tail) resync(ctx context.Context) error {
	t.resyncing.Lock()
	defer t.resyncing.Unlock()
	rolledBack, _, err := t.rolledBack(ctx, nil)
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
