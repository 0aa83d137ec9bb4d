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

// backup copies the database as it is.
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

// cursors are where the streams of a snapshot end.
func cursors(all joined) map[string]position {
	heads := make(map[string]position)
	for _, stream := range all.Streams {
		if n := len(stream.Entries); n > 0 {
			heads[stream.ID] = position(stream.Entries[n-1].Cursor())
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

func TestAFileThatWasPutBackWhileClientsWereAway(t *testing.T) {
	url := sqlite(t)
	s := start(t, url)
	s.say("jimmy", "before")
	s.announce("before", "all")
	path, copied := backup(t, url)
	s.say("jimmy", "lost")
	var page struct {
		Cursor string `json:"cursor"`
	}
	s.ask("jimmy", "GET", "/api/messages/since?since=2020-01-01T00:00:00Z", nil, &page)
	c := s.connect(t, signalrtest.Microsoft, "jimmy", time.Hour)
	var all joined
	c.invoke(&all, "Join")
	s.stop()
	if err := os.Rename(copied, path); err != nil {
		t.Fatal(err)
	}

	s = start(t, url)
	s.say("anna", "after")
	if status, code := s.ask("jimmy", "GET", "/api/messages/since?since="+page.Cursor, nil, nil); status != 410 || code != "resync" {
		t.Errorf("a cursor of before answers %d %s", status, code)
	}
	c = s.connect(t, signalrtest.Microsoft, "jimmy", time.Hour)
	var now joined
	c.invoke(&now, "Join", cursors(all))
	if diff := cmp.Diff([]string{chat.General}, now.Resync); diff != "" {
		t.Errorf("to be read anew (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"before", "after"}, bodies(now.stream(chat.General).Entries)); diff != "" {
		t.Errorf("General (-want +got):\n%s", diff)
	}
	if company := now.stream(chat.Company); len(company.Entries) != 0 || company.Head != 1 {
		t.Errorf("Company, which was not set back, is %+v", company)
	}
}

// putBack wants each client that is connected to be told, and to go on.
func putBack(t *testing.T, url string, prepare func() (setBack func() error)) {
	t.Helper()
	s := start(t, url)
	s.say("jimmy", "before")
	back := prepare()
	s.say("jimmy", "lost")
	s.announce("lost", "all")
	var page struct {
		Cursor string `json:"cursor"`
	}
	s.ask("jimmy", "GET", "/api/messages/since?since=2020-01-01T00:00:00Z", nil, &page)
	var clients []official
	for _, p := range officials {
		for _, login := range []string{"jimmy", "danny"} {
			c := s.connect(t, p, login, time.Hour)
			c.invoke(nil, "Join")
			clients = append(clients, c)
		}
	}
	if err := back(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for _, c := range clients {
		c.hears("Resync")
	}
	if took := time.Since(began); took > 5*time.Second { // A look a second; the machine is busy.
		t.Errorf("it took %s", took)
	}
	if status, code := s.ask("jimmy", "GET", "/api/messages/since?since="+page.Cursor, nil, nil); status != 410 || code != "resync" {
		t.Errorf("a cursor of before answers %d %s", status, code)
	}
	for _, c := range clients {
		var all joined
		c.invoke(&all, "Join")
		if diff := cmp.Diff([]string{"before"}, bodies(all.stream(chat.General).Entries)); diff != "" {
			t.Errorf("General (-want +got):\n%s", diff)
		}
	}
	after := s.say("danny", "after")
	for _, c := range clients {
		var e chat.Entry
		c.hears("Entry", &e)
		if diff := cmp.Diff(after, e); diff != "" {
			t.Errorf("heard (-want +got):\n%s", diff)
		}
	}
}

func TestAFileThatIsPutBackWhileClientsAreConnected(t *testing.T) {
	url := sqlite(t)
	putBack(t, url, func() func() error {
		path, copied := backup(t, url)
		return func() error { return os.Rename(copied, path) }
	})
}

func TestALogThatIsSetBackWhileClientsAreConnected(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, newURL func(*testing.T) string) {
		url := newURL(t)
		putBack(t, url, func() func() error {
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
