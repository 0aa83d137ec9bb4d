package store_test

import (
	"sync"
	"testing"

	"parley.internal/chat"
	"parley.internal/chat/store"
	"parley.internal/pkg/database"
)

// log is a store that records the entries reported as committed.
type log struct {
	*store.Store

	t  *testing.T
	db *database.DB

	mu        sync.Mutex
	committed []chat.Entry
}

func open(t *testing.T, url string) *log {
	t.Helper()
	db, err := database.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := store.Migrate(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	l := &log{t: t, db: db}
	l.Store = store.New(db, func(e chat.Entry) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.committed = append(l.committed, e)
	})
	return l
}

func (l *log) append(stream, author, id string) chat.Entry {
	l.t.Helper()
	e, err := l.Append(l.t.Context(), chat.Draft{
		Stream: stream, ID: id, Kind: chat.Message, Author: author, Avatar: "/a.svg", Body: "body of " + id,
	})
	if err != nil {
		l.t.Error(err)
	}
	return e
}

func (l *log) after(stream string, sequence int64) []chat.Entry {
	l.t.Helper()
	entries, err := l.After(l.t.Context(), stream, sequence, 1000)
	if err != nil {
		l.t.Fatal(err)
	}
	return entries
}
