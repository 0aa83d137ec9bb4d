package tail_test

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"parley.internal/chat"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memoryLog is a log in memory.
type memoryLog struct {
	mu          sync.Mutex
	streams     map[string][]chat.Entry
	unavailable bool
}

// newLog holds the entries with these bodies in the General room.
func newLog(bodies ...string) *memoryLog {
	l := &memoryLog{streams: map[string][]chat.Entry{}}
	l.store(chat.General, bodies...)
	return l
}

func (l *memoryLog) store(stream string, bodies ...string) (entries []chat.Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, body := range bodies {
		e := chat.Entry{Stream: stream, Sequence: int64(len(l.streams[stream]) + 1), Tag: rand.Text(), Body: body}
		l.streams[stream] = append(l.streams[stream], e)
		entries = append(entries, e)
	}
	return entries
}

// rollBack keeps the oldest entries up to a sequence.
func (l *memoryLog) rollBack(stream string, to int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.streams[stream] = slices.Clone(l.streams[stream][:to])
}

func (l *memoryLog) setUnavailable(unavailable bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unavailable = unavailable
}

func (l *memoryLog) head(stream string) chat.Cursor {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.streams[stream]); n > 0 {
		return l.streams[stream][n-1].Cursor()
	}
	return chat.Cursor{}
}

// Heads ignores the time.
func (l *memoryLog) Heads(context.Context, time.Time) ([]chat.Head, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.unavailable {
		return nil, errUnavailable
	}
	var heads []chat.Head
	for stream, entries := range l.streams {
		h := chat.Head{Stream: stream}
		if n := len(entries); n > 0 {
			h.Cursor = entries[n-1].Cursor()
		}
		heads = append(heads, h)
	}
	return heads, nil
}

func (l *memoryLog) After(_ context.Context, stream string, sequence int64, limit int) ([]chat.Entry, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := l.streams[stream]
	rest := all[min(int(sequence), len(all)):]
	return slices.Clone(rest[:min(limit, len(rest))]), nil
}

func (l *memoryLog) RolledBack(_ context.Context, cursors chat.Cursors) (rolledBack []string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.unavailable {
		return nil, errUnavailable
	}
	for stream, at := range cursors {
		all := l.streams[stream]
		if at.Sequence > 0 && (at.Sequence > int64(len(all)) || all[at.Sequence-1].Tag != at.Tag) {
			rolledBack = append(rolledBack, stream)
		}
	}
	return rolledBack, nil
}

var errUnavailable = errors.New("the database is unavailable")
