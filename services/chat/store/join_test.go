package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"parley.internal/chat"
	"parley.internal/pkg/database/databasetest"
)

func (l *log) join(login string, cursor chat.Cursors) map[string]chat.JoinedStream {
	l.t.Helper()
	all, err := l.Join(l.t.Context(), login, cursor)
	if err != nil {
		l.t.Fatal(err)
	}
	streams := make(map[string]chat.JoinedStream)
	bytes := 0
	for _, s := range all.Streams {
		streams[s.ID] = s
		text, err := json.Marshal(s.Entries)
		if err != nil {
			l.t.Fatal(err)
		}
		bytes += len(text)
	}
	if bytes > chat.MaxSnapshot+len(all.Streams)*len("[]") {
		l.t.Errorf("the entries have %d bytes", bytes)
	}
	return streams
}

func TestJoinGivesWhatAnAgentDoesNotHave(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		l := open(t, url(t))
		var general []chat.Entry
		for i := range 300 {
			general = append(general, l.append(chat.General, "danny", fmt.Sprint(i)))
		}
		own := l.append(chat.Own("jimmy"), "", "own")
		l.append(chat.Own("danny"), "", "not jimmy's")

		tests := map[string]struct {
			cursor   chat.Cursors
			from, to int // of the entries in General
			more     bool
		}{
			"the last page to who knows nothing": {from: 250, to: 300, more: true},
			"what followed a cursor":             {cursor: chat.Cursors{chat.General: general[199].Cursor()}, from: 200, to: 300},
			"nothing to who has all":             {cursor: chat.Cursors{chat.General: general[299].Cursor()}, from: 300, to: 300},
			"the first to who has read none":     {cursor: chat.Cursors{chat.General: {}}, from: 0, to: 200, more: true},
			"and some to who is far behind":      {cursor: chat.Cursors{chat.General: general[49].Cursor()}, from: 50, to: 250, more: true},
		}
		for name, tt := range tests {
			t.Run(name, func(t *testing.T) {
				streams := l.join("jimmy", tt.cursor)
				want := map[string]chat.JoinedStream{
					chat.General: {
						Stream:  chat.Stream{ID: chat.General, Kind: chat.Room, Title: "General", Head: 300, Unread: 300},
						Entries: general[tt.from:tt.to], More: tt.more, HeadTag: general[299].Tag,
					},
					chat.Company: {Stream: chat.Stream{ID: chat.Company, Kind: chat.CompanyFeed, Title: "Company"}},
					chat.Own("jimmy"): {
						Stream:  chat.Stream{ID: chat.Own("jimmy"), Kind: chat.OwnFeed, Title: "Your own", Head: 1, Unread: 1},
						Entries: []chat.Entry{own}, HeadTag: own.Tag,
					},
				}
				ignored := cmpopts.IgnoreFields(chat.JoinedStream{}, "After")
				if diff := cmp.Diff(want, streams, cmpopts.EquateEmpty(), ignored); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		}
	})
}

func TestJoinSaysWhatWasSetBack(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		l := open(t, url(t))
		a := l.append(chat.General, "danny", "a")
		for name, tt := range map[string]struct {
			cursor chat.Cursors
			resync []string
		}{
			"another has its number":                  {chat.Cursors{chat.General: {Sequence: 1, Tag: "other"}}, []string{chat.General}},
			"the log ends before it":                  {chat.Cursors{chat.General: {Sequence: 2, Tag: a.Tag}, chat.Company: {Sequence: 1, Tag: "x"}}, []string{chat.General, chat.Company}},
			"another agent's stream is not looked at": {chat.Cursors{chat.Own("danny"): {Sequence: 1, Tag: "x"}}, []string{}},
			"all is well":                             {chat.Cursors{chat.General: a.Cursor()}, []string{}},
		} {
			t.Run(name, func(t *testing.T) {
				all, err := l.Join(t.Context(), "jimmy", tt.cursor)
				if diff := cmp.Diff(tt.resync, all.Resync); err != nil || diff != "" {
					t.Errorf("error %v (-want +got):\n%s", err, diff)
				}
				if len(tt.resync) > 0 && len(all.Streams[0].Entries) != 1 {
					t.Errorf("the last page has %d entries", len(all.Streams[0].Entries))
				}
			})
		}
	})
}

func TestJoinIsSmall(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		l := open(t, url(t))
		long := strings.Repeat("ż", chat.MaxText) // eight entries are 64 KiB
		for i := range 20 {
			for _, stream := range []string{chat.General, chat.Company} {
				_, err := l.Append(t.Context(), chat.Draft{Stream: stream, ID: fmt.Sprint(i), Kind: chat.Notice, Body: long})
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		last := l.join("jimmy", nil)[chat.General]
		if n := len(last.Entries); n < 2 || last.Entries[n-1].Sequence != 20 || !last.More {
			t.Errorf("the last page has %d entries, more %t", n, last.More)
		}
		first := l.join("jimmy", chat.Cursors{chat.General: {}})[chat.General]
		if n := len(first.Entries); n < 2 || first.Entries[0].Sequence != 1 || !first.More {
			t.Errorf("after a cursor there are %d entries, more %t", n, first.More)
		}
		// What the own feed does not need the others have.
		if company := l.join("jimmy", nil)[chat.Company]; len(company.Entries) != len(last.Entries) || len(last.Entries) < 3 {
			t.Errorf("%d and %d entries are there", len(last.Entries), len(company.Entries))
		}
	})
}

func TestReading(t *testing.T) {
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
			unread   int64 // then, in General
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
				t.Errorf("%s up to %d: moved %t, error %v", s.stream, s.sequence, moved, err)
			}
			streams, err := l.Streams(t.Context(), "jimmy")
			if err != nil || len(streams) != 3 || streams[0].Unread != s.unread {
				t.Errorf("%s up to %d: streams are %+v, error %v", s.stream, s.sequence, streams, err)
			}
		}
		mine := l.append(chat.General, "jimmy", "mine")
		l.append(chat.General, "danny", "more")
		general := l.join("jimmy", nil)[chat.General]
		if general.Read != mine.Sequence || general.Unread != 1 {
			t.Errorf("who says something has read up to %d, not %d; %d are unread", mine.Sequence, general.Read, general.Unread)
		}
	})
}

func TestAnAnswerNeedsWhatItAnswers(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		l := open(t, url(t))
		l.append(chat.General, "danny", "question")
		draft := chat.Draft{Stream: chat.General, ID: "answer", Kind: chat.Message, Author: "jimmy", Body: "yes", ReplyTo: 1}
		e, err := l.Append(t.Context(), draft)
		if err != nil || e.ReplyTo != 1 || l.after(chat.General, 1)[0].ReplyTo != 1 {
			t.Errorf("got %+v, error %v", e, err)
		}
		for id, to := range map[string]int64{"a": 3, "b": -1} {
			draft.ID, draft.ReplyTo = id, to
			if _, err := l.Append(t.Context(), draft); !errors.Is(err, chat.ErrNoReply) {
				t.Errorf("an answer to %d: error %v", to, err)
			}
		}
		draft.ID, draft.ReplyTo = "answer", 0
		if _, err := l.Append(t.Context(), draft); !errors.Is(err, chat.ErrIDReused) {
			t.Errorf("the same id for no answer: error %v", err)
		}
	})
}

func TestAnAnnouncementReachesAllOrNone(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		l := open(t, url(t))
		err := l.Introduce(t.Context(), []chat.Profile{{Login: "jimmy"}, {Login: "danny"}})
		if err != nil {
			t.Fatal(err)
		}
		send := func(id string, logins ...string) error {
			sender := chat.Sender{AppendAnnouncement: l.Announce}
			_, err := sender.Announce(t.Context(), chat.Draft{ID: id, Author: "admin", Body: "hello"}, chat.Audience{Logins: logins})
			return err
		}
		if err := send("a", "jimmy", "stran\x00ger"); !errors.Is(err, chat.ErrNoAgent) { // PostgreSQL takes no such text.
			t.Errorf("got error %v", err)
		}
		if err := send("a", "jimmy", "danny", "stranger"); !errors.Is(err, chat.ErrNoAgent) {
			t.Errorf("one whom nobody knows: error %v", err)
		}
		if n := len(l.after(chat.Own("jimmy"), 0)); n != 0 {
			t.Errorf("jimmy was told %d times", n)
		}
		for range 2 {
			if err := send("b", "jimmy", "danny"); err != nil {
				t.Fatal(err)
			}
		}
		if err := send("b", "jimmy"); !errors.Is(err, chat.ErrIDReused) {
			t.Errorf("the same id for another audience: error %v", err)
		}
		err = l.Announce(t.Context(), []chat.Draft{{Stream: chat.Company, ID: "b", Author: "admin", Kind: chat.Notice, Body: "hello"}})
		if !errors.Is(err, chat.ErrIDReused) || len(l.after(chat.Company, 0)) != 0 {
			t.Errorf("the same id for all: error %v", err)
		}
		for _, login := range []string{"jimmy", "danny"} {
			got := l.after(chat.Own(login), 0)
			if len(got) != 1 || got[0].Author != "admin" || got[0].Kind != chat.Notice || got[0].Body != "hello" {
				t.Errorf("%s was told %+v", login, got)
			}
		}
	})
}

func TestAgentsAreKnown(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		l := open(t, url(t))
		noon := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
		later := noon.Add(time.Minute)
		err := errors.Join(
			l.Introduce(t.Context(), []chat.Profile{{Login: "jimmy", Name: "Jim"}, {Login: "anna"}}),
			l.Seen(t.Context(), chat.Profile{Login: "jimmy", Name: "Jimmy", Avatar: "/j.svg"}, noon),
			l.Introduce(t.Context(), []chat.Profile{{Login: "anna", Name: "Anna"}, {Login: "zoe"}}),
			l.Seen(t.Context(), chat.Profile{Login: "zoe", Name: "Zoe"}, later),
			l.Left(t.Context(), []chat.Presence{{Login: "zoe", At: noon}, {Login: "jimmy", At: later}, {Login: "stranger", At: noon}}),
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
				t.Errorf("after %q: error %v (-want +got):\n%s", page.after, err, diff)
			}
		}
		for _, p := range []chat.Profile{{}, {Login: "a\x00"}, {Login: "a", Name: strings.Repeat("x", 201)}, {Login: "a", Avatar: "\xff"}} {
			if err := l.Introduce(t.Context(), []chat.Profile{p}); !errors.Is(err, chat.ErrBadProfile) {
				t.Errorf("%+v: error %v", p, err)
			}
		}
	})
}

func TestLost(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		l := open(t, url(t))
		read := chat.Cursors{chat.Company: {}}
		for i := range 250 {
			stream := chat.Own(fmt.Sprint(i))
			read[stream] = l.append(stream, "", "a").Cursor()
		}
		check := func(want ...string) {
			t.Helper()
			lost, err := l.RolledBack(context.WithoutCancel(t.Context()), read)
			if diff := cmp.Diff(want, lost, cmpopts.SortSlices(strings.Compare)); err != nil || diff != "" {
				t.Errorf("error %v (-want +got):\n%s", err, diff)
			}
		}
		check()
		read[chat.Own("7")] = chat.Cursor{Sequence: 2, Tag: read[chat.Own("7")].Tag}
		read[chat.Own("70")] = chat.Cursor{Sequence: 1, Tag: "other"}
		read["gone"] = chat.Cursor{Sequence: 1, Tag: "other"}
		check(chat.Own("7"), chat.Own("70"), "gone")
	})
}
