package store_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"parley.internal/chat"
	"parley.internal/chat/store"
	"parley.internal/pkg/database"
	"parley.internal/pkg/database/databasetest"
)

// log is a store with what it told of.
type log struct {
	*store.Store

	t  *testing.T
	db *database.DB

	mu   sync.Mutex
	told []chat.Entry
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
		l.told = append(l.told, e)
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

func ids(entries []chat.Entry) []string {
	all := []string{}
	for _, e := range entries {
		all = append(all, e.ID)
	}
	return all
}

func TestAppend(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		l := open(t, url(t))
		a := l.append(chat.General, "jimmy", "a")
		b := l.append(chat.General, "danny", "a") // Another author's id is another id.
		again := l.append(chat.General, "jimmy", "a")
		own := l.append(chat.Own("jimmy"), "", "a")

		_, err := l.Append(t.Context(), chat.Draft{
			Stream: chat.General, ID: "a", Kind: chat.Message, Author: "jimmy", Body: "something else",
		})
		if !errors.Is(err, chat.ErrIDReused) {
			t.Errorf("another text with a known id: error %v", err)
		}
		if a.Sequence != 1 || b.Sequence != 2 || own.Sequence != 1 || a.Tag == b.Tag || a.Tag == "" {
			t.Errorf("stored %+v, %+v and %+v", a, b, own)
		}
		if diff := cmp.Diff(a, again); diff != "" {
			t.Errorf("the same id again (-first +again):\n%s", diff)
		}
		want := chat.Entry{
			Stream: chat.General, Sequence: 1, Tag: a.Tag, Ordinal: 1, ID: "a", Kind: chat.Message,
			Author: "jimmy", Avatar: "/a.svg", Body: "body of a", At: a.At,
		}
		if diff := cmp.Diff(want, a); diff != "" || time.Since(a.At).Abs() > time.Minute || a.At.Location() != time.UTC {
			t.Errorf("at %s (-want +got):\n%s", a.At, diff)
		}
		if diff := cmp.Diff([]chat.Entry{a, b}, l.after(chat.General, 0)); diff != "" {
			t.Errorf("the log (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]chat.Entry{a, b, own}, l.told); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
	})
}

func TestAStreamThatIsNotThereTakesNothing(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		l := open(t, url(t))
		_, err := l.Append(t.Context(), chat.Draft{Stream: "nowhere", ID: "a", Kind: chat.Message})
		if !errors.Is(err, chat.ErrNoStream) {
			t.Errorf("got error %v", err)
		}
	})
}

func TestARolledBackEntryLeavesNoHole(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		l := open(t, url(t))
		refused := errors.New("refused")
		err := l.db.InTx(t.Context(), func(tx *database.Tx) error {
			err := tx.Savepoint(t.Context(), func() error {
				l.Note(t.Context(), tx, chat.Draft{Stream: chat.Company, ID: "lost", Kind: chat.Notice})
				return nil
			})
			return errors.Join(err, refused)
		})
		if !errors.Is(err, refused) {
			t.Fatal(err)
		}
		kept := l.append(chat.Company, "", "kept")
		if diff := cmp.Diff([]chat.Entry{kept}, l.told); diff != "" || kept.Sequence != 1 {
			t.Errorf("sequence %d, told (-want +got):\n%s", kept.Sequence, diff)
		}
	})
}

func TestManyWritersLeaveNoHole(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		l := open(t, url(t))
		const writers, each = 8, 25
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for i := range each {
					id := fmt.Sprintf("%d-%d", w, i)
					l.append(chat.General, "jimmy", id)
					l.append(chat.General, "jimmy", id) // a retry
					l.append(chat.General, "jimmy", fmt.Sprintf("common-%d", i))
				}
			})
		}
		wg.Wait()
		entries := l.after(chat.General, 0)
		if len(entries) != writers*each+each || len(l.told) != len(entries) {
			t.Errorf("%d entries are stored and %d were told of", len(entries), len(l.told))
		}
		for i, e := range entries {
			if e.Sequence != int64(i+1) || (i > 0 && e.At.Before(entries[i-1].At)) {
				t.Fatalf("entry %d has sequence %d and is of %s", i, e.Sequence, e.At)
			}
		}
	})
}

func TestHeads(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		l := open(t, url(t))
		first := l.append(chat.General, "jimmy", "a")
		last := l.append(chat.Own("jimmy"), "", "b")
		newest := chat.Head{Stream: chat.Own("jimmy"), Position: last.Position()}
		general := chat.Head{Stream: chat.General, Position: first.Position()}
		for since, want := range map[time.Time][]chat.Head{
			{}:                                  {newest, general, {Stream: chat.Company}},
			last.At:                             {newest},
			last.At.Add(time.Nanosecond * 1000): {},
		} {
			heads, err := l.Heads(t.Context(), since)
			if since.Equal(last.At) { // The other may be of the same microsecond.
				heads = slices.DeleteFunc(heads, func(h chat.Head) bool { return h == general })
			}
			if diff := cmp.Diff(want, heads, cmpopts.EquateEmpty()); err != nil || diff != "" {
				t.Errorf("since %s: error %v (-want +got):\n%s", since, err, diff)
			}
		}
	})
}

// pages reads on from a first page and returns all entries, and the pages.
func (l *log) pages(login string, limit int, page chat.Page) (entries []chat.Entry, n int) {
	l.t.Helper()
	for {
		n++
		entries = append(entries, page.Entries...)
		if len(page.Entries) > limit {
			l.t.Errorf("a page of %d has %d entries", limit, len(page.Entries))
		}
		if !page.More {
			return entries, n
		}
		var err error
		if page, err = l.Since(l.t.Context(), login, page.Cursor, limit); err != nil {
			l.t.Fatal(err)
		}
	}
}

func TestSinceReadsWhatTheAgentMay(t *testing.T) {
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
			first, err := l.Since(t.Context(), "jimmy", chat.Cursor{}, limit)
			if err != nil {
				t.Fatal(err)
			}
			entries, n := l.pages("jimmy", limit, first)
			got := ids(entries)
			slices.SortFunc(got, func(a, b string) int { return len(a) - len(b) })
			slices.SortFunc(got, func(a, b string) int { return slices.Index(want, a) - slices.Index(want, b) })
			if diff := cmp.Diff(want, got); diff != "" || n != (len(want)+limit-1)/limit {
				t.Errorf("%d pages of %d (-want +got):\n%s", n, limit, diff)
			}
		}
	})
}

func TestWhatComesMeanwhileIsInTheNextPage(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		l := open(t, url(t))
		l.append(chat.General, "jimmy", "a")
		page, err := l.SinceTime(t.Context(), "jimmy", time.Now().Add(time.Minute), 10)
		if err != nil || len(page.Entries) != 0 || page.More {
			t.Fatalf("got %+v, error %v", page, err)
		}
		l.append(chat.General, "jimmy", "b")
		l.append(chat.Own("jimmy"), "", "c")
		page, err = l.Since(t.Context(), "jimmy", page.Cursor, 10)
		if diff := cmp.Diff([]string{"b", "c"}, ids(page.Entries)); err != nil || diff != "" {
			t.Errorf("error %v (-want +got):\n%s", err, diff)
		}
	})
}

func TestSinceTimeBeginsAfterIt(t *testing.T) {
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
				t.Errorf("after %s (-want +got):\n%s", after, diff)
			}
		}
	})
}

func TestALogThatWasSetBackIsNoticed(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		l := open(t, url(t))
		a := l.append(chat.General, "jimmy", "a")
		b := l.append(chat.General, "jimmy", "b")
		at := func(e chat.Entry) chat.Cursor {
			return chat.Cursor{chat.General: {Sequence: e.Sequence, Tag: e.Tag}}
		}
		for name, tt := range map[string]struct {
			cursor chat.Cursor
			err    error
		}{
			"the head is there":                       {cursor: at(b)},
			"an older entry is":                       {cursor: at(a)},
			"another has its number":                  {cursor: chat.Cursor{chat.General: {Sequence: 2, Tag: "other"}}, err: chat.ErrResync},
			"the log ends before it":                  {cursor: chat.Cursor{chat.General: {Sequence: 3, Tag: "c"}}, err: chat.ErrResync},
			"a stream is gone":                        {cursor: chat.Cursor{chat.Own("jimmy"): {Sequence: 1, Tag: "c"}}, err: chat.ErrResync},
			"another agent's stream is not looked at": {cursor: chat.Cursor{chat.Own("danny"): {Sequence: 1, Tag: "c"}}},
		} {
			t.Run(name, func(t *testing.T) {
				if _, err := l.Since(t.Context(), "jimmy", tt.cursor, 10); !errors.Is(err, tt.err) {
					t.Errorf("got error %v, want %v", err, tt.err)
				}
			})
		}
	})
}
