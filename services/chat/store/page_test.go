package store_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley.internal/chat"
	"parley.internal/pkg/database/databasetest"
)

func ids(entries []chat.Entry) []string {
	all := []string{}
	for _, e := range entries {
		all = append(all, e.ID)
	}
	return all
}

// pages reads all pages from the first and returns their entries and number.
func (l *log) pages(login string, limit int, page chat.Page) (entries []chat.Entry, n int) {
	l.t.Helper()
	for {
		n++
		entries = append(entries, page.Entries...)
		if len(page.Entries) > limit {
			l.t.Errorf("got a page of %d entries, want at most %d", len(page.Entries), limit)
		}
		if !page.More {
			return entries, n
		}
		var err error
		if page, err = l.Since(l.t.Context(), login, page.Cursors, limit); err != nil {
			l.t.Fatal(err)
		}
	}
}

func TestSinceReadsOnlyTheAgentsStreams(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		l := open(t, url(t))
		want := []string{}
		for i := range 20 {
			stream := []string{chat.General, chat.Company, chat.Own("jimmy"), chat.Own("danny")}[i%4]
			l.append(stream, "", fmt.Sprint(i))
			if stream != chat.Own("danny") {
				want = append(want, fmt.Sprint(i))
			}
		}
		for _, limit := range []int{1, 2, 7, 15, 16} {
			first, err := l.Since(t.Context(), "jimmy", chat.Cursors{}, limit)
			if err != nil {
				t.Fatal(err)
			}
			entries, n := l.pages("jimmy", limit, first)
			got := ids(entries)
			slices.SortFunc(got, func(a, b string) int { return len(a) - len(b) })
			slices.SortFunc(got, func(a, b string) int { return slices.Index(want, a) - slices.Index(want, b) })
			if diff := cmp.Diff(want, got); diff != "" || n != (len(want)+limit-1)/limit {
				t.Errorf("entries in %d pages of %d (-want +got):\n%s", n, limit, diff)
			}
		}
	})
}

func TestNewEntriesAreInTheNextPage(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		l := open(t, url(t))
		l.append(chat.General, "jimmy", "a")
		page, err := l.SinceTime(t.Context(), "jimmy", time.Now().Add(time.Minute), 10)
		if err != nil || len(page.Entries) != 0 || page.More {
			t.Fatalf("got page %+v, error %v, want an empty page", page, err)
		}
		l.append(chat.General, "jimmy", "b")
		l.append(chat.Own("jimmy"), "", "c")
		page, err = l.Since(t.Context(), "jimmy", page.Cursors, 10)
		if diff := cmp.Diff([]string{"b", "c"}, ids(page.Entries)); err != nil || diff != "" {
			t.Errorf("next page, error %v (-want +got):\n%s", err, diff)
		}
	})
}

func TestSinceTimeExcludesTheTime(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		l := open(t, url(t))
		a := l.append(chat.General, "jimmy", "a")
		if _, err := l.db.Exec(t.Context(), "UPDATE entry SET at = at - 1000000"); err != nil {
			t.Fatal(err)
		}
		l.append(chat.General, "jimmy", "b")
		l.append(chat.Company, "", "c")
		for after, want := range map[time.Time][]string{
			{}:                             {"a", "b", "c"},
			a.At.Add(-time.Second):         {"b", "c"},
			a.At.Add(-time.Second - 1000):  {"a", "b", "c"},
			time.Now().Add(24 * time.Hour): {},
		} {
			first, err := l.SinceTime(t.Context(), "jimmy", after, 1)
			if err != nil {
				t.Fatal(err)
			}
			entries, _ := l.pages("jimmy", 1, first)
			if diff := cmp.Diff(want, ids(entries)); diff != "" {
				t.Errorf("entries after %s (-want +got):\n%s", after, diff)
			}
		}
	})
}

func TestSinceNoticesARollback(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		l := open(t, url(t))
		a := l.append(chat.General, "jimmy", "a")
		b := l.append(chat.General, "jimmy", "b")
		at := func(e chat.Entry) chat.Cursors {
			return chat.Cursors{chat.General: {Sequence: e.Sequence, Tag: e.Tag}}
		}
		for name, tt := range map[string]struct {
			cursor chat.Cursors
			err    error
		}{
			"the head":                          {cursor: at(b)},
			"an older entry":                    {cursor: at(a)},
			"another tag":                       {cursor: chat.Cursors{chat.General: {Sequence: 2, Tag: "other"}}, err: chat.ErrResync},
			"beyond the head":                   {cursor: chat.Cursors{chat.General: {Sequence: 3, Tag: "c"}}, err: chat.ErrResync},
			"a stream without entries":          {cursor: chat.Cursors{chat.Own("jimmy"): {Sequence: 1, Tag: "c"}}, err: chat.ErrResync},
			"another agent's stream is ignored": {cursor: chat.Cursors{chat.Own("danny"): {Sequence: 1, Tag: "c"}}},
		} {
			t.Run(name, func(t *testing.T) {
				if _, err := l.Since(t.Context(), "jimmy", tt.cursor, 10); !errors.Is(err, tt.err) {
					t.Errorf("got error %v, want %v", err, tt.err)
				}
			})
		}
	})
}
