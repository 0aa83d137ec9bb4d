package store_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley.internal/chat"
	"parley.internal/pkg/database"
	"parley.internal/pkg/database/databasetest"
)

func TestAppendStoresADraftOnce(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		l := open(t, url(t))
		a := l.append(chat.General, "jimmy", "a")
		b := l.append(chat.General, "danny", "a") // Ids are unique per author.
		duplicate := l.append(chat.General, "jimmy", "a")
		own := l.append(chat.Own("jimmy"), "", "a")

		_, err := l.Append(t.Context(), chat.Draft{
			Stream: chat.General, ID: "a", Kind: chat.Message, Author: "jimmy", Body: "something else",
		})
		if !errors.Is(err, chat.ErrIDReused) {
			t.Errorf("another text with a known id: got error %v, want %v", err, chat.ErrIDReused)
		}
		if a.Sequence != 1 || b.Sequence != 2 || own.Sequence != 1 || a.Tag == b.Tag || a.Tag == "" {
			t.Errorf("stored %+v, %+v and %+v: want sequences 1, 2, 1 and distinct tags", a, b, own)
		}
		if diff := cmp.Diff(a, duplicate); diff != "" {
			t.Errorf("duplicate (-first +second):\n%s", diff)
		}
		want := chat.Entry{
			Stream: chat.General, Sequence: 1, Tag: a.Tag, Ordinal: 1, ID: "a", Kind: chat.Message,
			Author: "jimmy", Avatar: "/a.svg", Body: "body of a", At: a.At,
		}
		if diff := cmp.Diff(want, a); diff != "" || time.Since(a.At).Abs() > time.Minute || a.At.Location() != time.UTC {
			t.Errorf("entry at %s (-want +got):\n%s", a.At, diff)
		}
		if diff := cmp.Diff([]chat.Entry{a, b}, l.after(chat.General, 0)); diff != "" {
			t.Errorf("stored entries (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]chat.Entry{a, b, own}, l.committed); diff != "" {
			t.Errorf("committed entries (-want +got):\n%s", diff)
		}
	})
}

func TestUnknownStreamAcceptsNoEntry(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		l := open(t, url(t))
		_, err := l.Append(t.Context(), chat.Draft{Stream: "nowhere", ID: "a", Kind: chat.Message})
		if !errors.Is(err, chat.ErrNoStream) {
			t.Errorf("got error %v, want %v", err, chat.ErrNoStream)
		}
	})
}

func TestRolledBackEntryLeavesNoGap(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		l := open(t, url(t))
		failed := errors.New("failed")
		err := l.db.InTx(t.Context(), func(tx *database.Tx) error {
			err := tx.Savepoint(t.Context(), func() error {
				l.AppendNotice(t.Context(), tx, chat.Draft{Stream: chat.Company, ID: "lost", Kind: chat.Notice})
				return nil
			})
			return errors.Join(err, failed)
		})
		if !errors.Is(err, failed) {
			t.Fatal(err)
		}
		kept := l.append(chat.Company, "", "kept")
		if diff := cmp.Diff([]chat.Entry{kept}, l.committed); diff != "" || kept.Sequence != 1 {
			t.Errorf("sequence %d, committed entries (-want +got):\n%s", kept.Sequence, diff)
		}
	})
}

func TestConcurrentWritersLeaveNoGap(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		l := open(t, url(t))
		const writers, each = 8, 25
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for i := range each {
					id := fmt.Sprintf("%d-%d", w, i)
					l.append(chat.General, "jimmy", id)
					l.append(chat.General, "jimmy", id) // duplicate
					l.append(chat.General, "jimmy", fmt.Sprintf("common-%d", i))
				}
			})
		}
		wg.Wait()
		entries := l.after(chat.General, 0)
		if len(entries) != writers*each+each || len(l.committed) != len(entries) {
			t.Errorf("got %d entries, %d of them committed, want %d", len(entries), len(l.committed), writers*each+each)
		}
		for i, e := range entries {
			if e.Sequence != int64(i+1) || (i > 0 && e.At.Before(entries[i-1].At)) {
				t.Fatalf("entry %d: got sequence %d at %s, after %s", i+1, e.Sequence, e.At, entries[max(0, i-1)].At)
			}
		}
	})
}

func TestReplyNeedsAnEntry(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		l := open(t, url(t))
		l.append(chat.General, "danny", "question")
		draft := chat.Draft{Stream: chat.General, ID: "answer", Kind: chat.Message, Author: "jimmy", Body: "yes", ReplyTo: 1}
		e, err := l.Append(t.Context(), draft)
		if err != nil || e.ReplyTo != 1 || l.after(chat.General, 1)[0].ReplyTo != 1 {
			t.Errorf("reply to 1: got %+v, error %v", e, err)
		}
		for id, to := range map[string]int64{"a": 3, "b": -1} {
			draft.ID, draft.ReplyTo = id, to
			if _, err := l.Append(t.Context(), draft); !errors.Is(err, chat.ErrNoReply) {
				t.Errorf("reply to %d: got error %v, want %v", to, err, chat.ErrNoReply)
			}
		}
		draft.ID, draft.ReplyTo = "answer", 0
		if _, err := l.Append(t.Context(), draft); !errors.Is(err, chat.ErrIDReused) {
			t.Errorf("a known id without the reply: got error %v, want %v", err, chat.ErrIDReused)
		}
	})
}
