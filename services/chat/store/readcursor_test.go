package store_test

import (
	"errors"
	"fmt"
	"testing"

	"parley.internal/chat"
	"parley.internal/pkg/database/databasetest"
)

func TestReadCursorMovesForward(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		l := open(t, url(t))
		for i := range 5 {
			l.append(chat.General, "danny", fmt.Sprint(i))
		}
		steps := []struct {
			stream   string
			sequence int64
			moved    bool
			err      error
			unread   int64 // in General, afterwards
		}{
			{stream: chat.General, sequence: 0, unread: 5},
			{stream: chat.General, sequence: 3, moved: true, unread: 2},
			{stream: chat.General, sequence: 2, unread: 2},
			{stream: chat.General, sequence: 3, unread: 2},
			{stream: chat.General, sequence: 6, err: chat.ErrBadSequence, unread: 2},
			{stream: chat.General, sequence: -1, err: chat.ErrBadSequence, unread: 2},
			{stream: chat.Own("jimmy"), sequence: 0, unread: 2},
			{stream: chat.Own("jimmy"), sequence: 1, err: chat.ErrBadSequence, unread: 2},
			{stream: chat.Own("danny"), sequence: 0, err: chat.ErrNoStream, unread: 2},
			{stream: "nowhere", sequence: 1, err: chat.ErrNoStream, unread: 2},
			{stream: chat.General, sequence: 5, moved: true, unread: 0},
		}
		for _, s := range steps {
			moved, err := l.MarkRead(t.Context(), "jimmy", s.stream, s.sequence)
			if moved != s.moved || !errors.Is(err, s.err) {
				t.Errorf("mark %s as read up to %d: moved %t, error %v, want %t, %v", s.stream, s.sequence, moved, err, s.moved, s.err)
			}
			streams, err := l.Streams(t.Context(), "jimmy")
			if err != nil || len(streams) != 3 || streams[0].Unread != s.unread {
				t.Errorf("after %s up to %d: got streams %+v, error %v, want %d unread", s.stream, s.sequence, streams, err, s.unread)
			}
		}
		mine := l.append(chat.General, "jimmy", "mine")
		l.append(chat.General, "danny", "more")
		general := l.join("jimmy", nil)[chat.General]
		if general.Read != mine.Sequence || general.Unread != 1 {
			t.Errorf("after an own message: got read %d, unread %d, want %d, 1", general.Read, general.Unread, mine.Sequence)
		}
	})
}
