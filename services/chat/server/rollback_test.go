package server_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley.internal/chat"
	"parley.internal/pkg/database"
	"parley.internal/pkg/database/databasetest"
	"parley.internal/pkg/signalr/signalrtest"
)

// backup copies the database.
func backup(t *testing.T, url string) (path, copied string) {
	t.Helper()
	path = strings.TrimPrefix(url, "sqlite:")
	copied = path + ".backup"
	db, err := database.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.Exec(t.Context(), "VACUUM INTO $1", copied)
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	return path, copied
}

// cursors returns the heads of a snapshot.
func cursors(all joinResult) map[string]cursor {
	heads := make(map[string]cursor)
	for _, stream := range all.Streams {
		if n := len(stream.Entries); n > 0 {
			heads[stream.ID] = cursor(stream.Entries[n-1].Cursor())
		}
	}
	return heads
}

func bodies(entries []chat.Entry) (all []string) {
	for _, e := range entries {
		all = append(all, e.Body)
	}
	return all
}

func TestRestoredDatabaseResyncsOfflineClients(t *testing.T) {
	url := sqlite(t)
	s := start(t, url)
	s.post("jimmy", "before")
	s.announce("before", "all")
	path, copied := backup(t, url)
	s.post("jimmy", "lost")
	var page struct {
		Cursor string `json:"cursor"`
	}
	s.request("jimmy", "GET", "/api/messages/since?since=2020-01-01T00:00:00Z", nil, &page)
	c := s.connect(t, signalrtest.Microsoft, "jimmy", time.Hour)
	var all joinResult
	c.invoke(&all, "Join")
	s.stop()
	if err := os.Rename(copied, path); err != nil {
		t.Fatal(err)
	}

	s = start(t, url)
	s.post("anna", "after")
	if status, code := s.request("jimmy", "GET", "/api/messages/since?since="+page.Cursor, nil, nil); status != 410 || code != "resync" {
		t.Errorf("a lost cursor: got status %d %s, want 410 resync", status, code)
	}
	c = s.connect(t, signalrtest.Microsoft, "jimmy", time.Hour)
	var now joinResult
	c.invoke(&now, "Join", cursors(all))
	if diff := cmp.Diff([]string{chat.General}, now.Resync); diff != "" {
		t.Errorf("streams to resync (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"before", "after"}, bodies(now.stream(chat.General).Entries)); diff != "" {
		t.Errorf("entries of General (-want +got):\n%s", diff)
	}
	if company := now.stream(chat.Company); len(company.Entries) != 0 || company.Head != 1 {
		t.Errorf("Company, not rolled back: got %+v, want no entries and head 1", company)
	}
}

// wantResync rolls the log back and wants each connected client to resync and to go on.
func wantResync(t *testing.T, url string, prepare func() (rollBack func() error)) {
	t.Helper()
	s := start(t, url)
	s.post("jimmy", "before")
	rollBack := prepare()
	s.post("jimmy", "lost")
	s.announce("lost", "all")
	var page struct {
		Cursor string `json:"cursor"`
	}
	s.request("jimmy", "GET", "/api/messages/since?since=2020-01-01T00:00:00Z", nil, &page)
	var clients []official
	for _, p := range officials {
		for _, login := range []string{"jimmy", "danny"} {
			c := s.connect(t, p, login, time.Hour)
			c.invoke(nil, "Join")
			clients = append(clients, c)
		}
	}
	if err := rollBack(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for _, c := range clients {
		c.receive("Resync")
	}
	if took := time.Since(began); took > 5*time.Second { // The tail polls once a second.
		t.Errorf("resync took %s, want at most 5s", took)
	}
	if status, code := s.request("jimmy", "GET", "/api/messages/since?since="+page.Cursor, nil, nil); status != 410 || code != "resync" {
		t.Errorf("a lost cursor: got status %d %s, want 410 resync", status, code)
	}
	for _, c := range clients {
		var all joinResult
		c.invoke(&all, "Join")
		if diff := cmp.Diff([]string{"before"}, bodies(all.stream(chat.General).Entries)); diff != "" {
			t.Errorf("entries of General (-want +got):\n%s", diff)
		}
	}
	after := s.post("danny", "after")
	for _, c := range clients {
		var e chat.Entry
		c.receive("Entry", &e)
		if diff := cmp.Diff(after, e); diff != "" {
			t.Errorf("pushed entry (-want +got):\n%s", diff)
		}
	}
}

func TestRestoredDatabaseResyncsConnectedClients(t *testing.T) {
	url := sqlite(t)
	wantResync(t, url, func() func() error {
		path, copied := backup(t, url)
		return func() error { return os.Rename(copied, path) }
	})
}

func TestRolledBackLogResyncsConnectedClients(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, newURL func(*testing.T) string) {
		url := newURL(t)
		wantResync(t, url, func() func() error {
			return func() error {
				db, err := database.Open(t.Context(), url)
				if err != nil {
					return err
				}
				for _, statement := range []string{
					"DELETE FROM read_cursor WHERE sequence > 1 OR stream = 'Company'",
					"DELETE FROM entry WHERE stream = 'Company' OR sequence > 1",
					"UPDATE stream SET head = 0, ordinal = 0, last_at = 0 WHERE id = 'Company'",
					"UPDATE stream SET head = 1, ordinal = 1, last_at = (SELECT max(at) FROM entry) WHERE id = 'General'",
				} {
					_, e := db.Exec(t.Context(), statement)
					err = errors.Join(err, e)
				}
				return errors.Join(err, db.Close())
			}
		})
	})
}
