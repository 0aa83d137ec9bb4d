package store_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

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
		l.t.Errorf("got %d bytes of entries, want at most %d", bytes, chat.MaxSnapshot)
	}
	return streams
}

func TestJoinReturnsEntriesAfterTheCursor(t *testing.T) {
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
			"no cursor: the last page":        {from: 250, to: 300, more: true},
			"a cursor":                        {cursor: chat.Cursors{chat.General: general[199].Cursor()}, from: 200, to: 300},
			"a cursor at the head":            {cursor: chat.Cursors{chat.General: general[299].Cursor()}, from: 300, to: 300},
			"a cursor before the first entry": {cursor: chat.Cursors{chat.General: {}}, from: 0, to: 200, more: true},
			"a cursor far behind":             {cursor: chat.Cursors{chat.General: general[49].Cursor()}, from: 50, to: 250, more: true},
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
					t.Errorf("joined streams (-want +got):\n%s", diff)
				}
			})
		}
	})
}

func TestJoinReportsRolledBackStreams(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		l := open(t, url(t))
		a := l.append(chat.General, "danny", "a")
		for name, tt := range map[string]struct {
			cursor chat.Cursors
			resync []string
		}{
			"another tag":                       {chat.Cursors{chat.General: {Sequence: 1, Tag: "other"}}, []string{chat.General}},
			"beyond the head":                   {chat.Cursors{chat.General: {Sequence: 2, Tag: a.Tag}, chat.Company: {Sequence: 1, Tag: "x"}}, []string{chat.General, chat.Company}},
			"another agent's stream is ignored": {chat.Cursors{chat.Own("danny"): {Sequence: 1, Tag: "x"}}, []string{}},
			"the head":                          {chat.Cursors{chat.General: a.Cursor()}, []string{}},
		} {
			t.Run(name, func(t *testing.T) {
				all, err := l.Join(t.Context(), "jimmy", tt.cursor)
				if diff := cmp.Diff(tt.resync, all.Resync); err != nil || diff != "" {
					t.Errorf("streams to resync, error %v (-want +got):\n%s", err, diff)
				}
				if len(tt.resync) > 0 && len(all.Streams[0].Entries) != 1 {
					t.Errorf("got %d entries of the last page, want 1", len(all.Streams[0].Entries))
				}
			})
		}
	})
}

func TestJoinIsLimitedInSize(t *testing.T) {
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
			t.Errorf("last page: got %d entries, more %t, want the newest and more", n, last.More)
		}
		first := l.join("jimmy", chat.Cursors{chat.General: {}})[chat.General]
		if n := len(first.Entries); n < 2 || first.Entries[0].Sequence != 1 || !first.More {
			t.Errorf("after a cursor: got %d entries, more %t, want the oldest and more", n, first.More)
		}
		// The bytes that the own feed does not need go to the other streams.
		if company := l.join("jimmy", nil)[chat.Company]; len(company.Entries) != len(last.Entries) || len(last.Entries) < 3 {
			t.Errorf("got %d and %d entries, want the same number, at least 3", len(last.Entries), len(company.Entries))
		}
	})
}
