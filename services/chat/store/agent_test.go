package store_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"parley.internal/chat"
	"parley.internal/pkg/database/databasetest"
)

func TestAgentsAreListedByLogin(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		l := open(t, url(t))
		noon := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
		later := noon.Add(time.Minute)
		err := errors.Join(
			l.Introduce(t.Context(), []chat.Profile{{Login: "jimmy", Name: "Jim"}, {Login: "anna"}}),
			l.RecordSeen(t.Context(), chat.Profile{Login: "jimmy", Name: "Jimmy", Avatar: "/j.svg"}, noon),
			l.Introduce(t.Context(), []chat.Profile{{Login: "anna", Name: "Anna"}, {Login: "zoe"}}),
			l.RecordSeen(t.Context(), chat.Profile{Login: "zoe", Name: "Zoe"}, later),
			l.RecordOffline(t.Context(), []chat.Presence{{Login: "zoe", At: noon}, {Login: "jimmy", At: later}, {Login: "stranger", At: noon}}),
		)
		if err != nil {
			t.Fatal(err)
		}
		want := []chat.Agent{
			{Profile: chat.Profile{Login: "anna", Name: "Anna"}, State: chat.Offline},
			{Profile: chat.Profile{Login: "jimmy", Name: "Jimmy", Avatar: "/j.svg"}, State: chat.Offline, At: &later},
			{Profile: chat.Profile{Login: "zoe", Name: "Zoe"}, State: chat.Offline, At: &later},
		}
		for _, page := range []struct {
			after    string
			limit    int
			from, to int
		}{{"", 10, 0, 3}, {"", 2, 0, 2}, {"jimmy", 2, 2, 3}, {"zoe", 2, 3, 3}} {
			got, err := l.Agents(t.Context(), page.after, page.limit)
			if diff := cmp.Diff(want[page.from:page.to], got, cmpopts.EquateEmpty()); err != nil || diff != "" {
				t.Errorf("agents after %q, error %v (-want +got):\n%s", page.after, err, diff)
			}
		}
		for _, p := range []chat.Profile{{}, {Login: "a\x00"}, {Login: "a", Name: strings.Repeat("x", 201)}, {Login: "a", Avatar: "\xff"}} {
			if err := l.Introduce(t.Context(), []chat.Profile{p}); !errors.Is(err, chat.ErrBadProfile) {
				t.Errorf("introduce %+v: got error %v, want %v", p, err, chat.ErrBadProfile)
			}
		}
	})
}
