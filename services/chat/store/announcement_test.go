package store_test

import (
	"errors"
	"testing"

	"parley.internal/chat"
	"parley.internal/pkg/database/databasetest"
)

func TestAnnouncementReachesAllOrNone(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		l := open(t, url(t))
		err := l.Introduce(t.Context(), []chat.Profile{{Login: "jimmy"}, {Login: "danny"}})
		if err != nil {
			t.Fatal(err)
		}
		send := func(id string, logins ...string) error {
			sender := chat.Sender{AppendAnnouncement: l.AppendAnnouncement}
			_, err := sender.Announce(t.Context(), chat.Draft{ID: id, Author: "admin", Body: "hello"}, chat.Audience{Logins: logins})
			return err
		}
		if err := send("a", "jimmy", "stran\x00ger"); !errors.Is(err, chat.ErrNoAgent) { // PostgreSQL rejects a null byte.
			t.Errorf("a login with a null byte: got error %v, want %v", err, chat.ErrNoAgent)
		}
		if err := send("a", "jimmy", "danny", "stranger"); !errors.Is(err, chat.ErrNoAgent) {
			t.Errorf("an unknown agent: got error %v, want %v", err, chat.ErrNoAgent)
		}
		if n := len(l.after(chat.Own("jimmy"), 0)); n != 0 {
			t.Errorf("got %d entries for jimmy, want 0", n)
		}
		for range 2 {
			if err := send("b", "jimmy", "danny"); err != nil {
				t.Fatal(err)
			}
		}
		if err := send("b", "jimmy"); !errors.Is(err, chat.ErrIDReused) {
			t.Errorf("a known id for another audience: got error %v, want %v", err, chat.ErrIDReused)
		}
		err = l.AppendAnnouncement(t.Context(), []chat.Draft{{Stream: chat.Company, ID: "b", Author: "admin", Kind: chat.Notice, Body: "hello"}})
		if !errors.Is(err, chat.ErrIDReused) || len(l.after(chat.Company, 0)) != 0 {
			t.Errorf("a known id for all agents: got error %v, want %v", err, chat.ErrIDReused)
		}
		for _, login := range []string{"jimmy", "danny"} {
			got := l.after(chat.Own(login), 0)
			if len(got) != 1 || got[0].Author != "admin" || got[0].Kind != chat.Notice || got[0].Body != "hello" {
				t.Errorf("entries of %s: got %+v, want a single announcement", login, got)
			}
		}
	})
}
