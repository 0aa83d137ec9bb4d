package tail

import (
	"context"
	"errors"

	"parley.internal/chat"
)

// followTries limits how often Follow reads the log of a growing stream.
const followTries = 20

var (
	// ErrLagging reports a slow consumer: a follower refused an entry.
	ErrLagging = errors.New("follower lags behind the stream")
	errBusy    = errors.New("the stream grows faster than the log can be read")
)

// Follow lets a new follower catch up with a stream from a cursor read from the log.
// Follow calls send for each entry up to the newest pushed entry, and then joined: there
// the caller adds the follower to a subscriber's audience. The next pushed entry is the
// follower's next entry: no gap, no duplicate. send and joined may be called under the
// tail's lock, and must not block.
//
// Follow returns ErrLagging if send reports false, and chat.ErrResync if the log does
// not hold the entry at the cursor.
func (t *Tail) Follow(ctx context.Context, stream string, from chat.Cursor, send func(chat.Entry) bool, joined func()) error {
	for range followTries {
		if done, err := t.join(stream, from, send, joined); done || err != nil {
			return err
		}
		entries, found, err := t.readAfter(ctx, stream, from)
		if err != nil {
			return err
		}
		if !found {
			return chat.ErrResync
		}
		// The pushed entries differ from the log, or have not reached the cursor yet,
		// or have left the buffer.
		if err := t.catchUp(ctx, stream, from); err != nil {
			return err
		}
		for _, e := range entries {
			if !send(e) {
				return ErrLagging
			}
			from = e.Cursor()
		}
	}
	return errBusy
}

// join sends the buffered entries after a cursor and calls joined. A cursor outside the
// buffer is not done.
func (t *Tail) join(stream string, from chat.Cursor, send func(chat.Entry) bool, joined func()) (bool, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.stream(stream)
	entries, buffered := s.after(from.Sequence)
	if !buffered || s.conflicts(from) {
		return false, nil
	}
	for _, e := range entries {
		if !send(e) {
			return false, ErrLagging
		}
	}
	joined()
	return true, nil
}

// catchUp pushes a stream up to a cursor, or resyncs if the pushed entries differ from
// the log.
func (t *Tail) catchUp(ctx context.Context, stream string, from chat.Cursor) error {
	t.mu.Lock()
	s := t.stream(stream)
	conflict, behind := s.conflicts(from), s.pushed.Sequence < from.Sequence
	if conflict {
		t.suspect(s)
	}
	t.mu.Unlock()
	if behind && !conflict {
		return t.fillGap(ctx, stream, from.Sequence)
	}
	if rolledBack, _, err := t.rolledBack(ctx, []string{stream}); err != nil || len(rolledBack) == 0 {
		return err
	}
	return t.resync(ctx)
}
