package store_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"parley.internal/chat"
	"parley.internal/pkg/database"
	"parley.internal/pkg/database/databasetest"
)

// appendNotice appends a notice of the policy service in a transaction.
func (l *log) appendNotice(tx *database.Tx, stream, id, body string) {
	l.appendNoticeOf(tx, "policy", stream, id, body)
}

// appendNoticeOf appends a notice of another service.
func (l *log) appendNoticeOf(tx *database.Tx, source, stream, id, body string) {
	l.AppendNotice(l.t.Context(), tx, chat.Draft{Stream: stream, Source: source, ID: id, Kind: chat.Notice, Body: body})
}

// inTx runs fn in a transaction.
func (l *log) inTx(fn func(tx *database.Tx)) {
	l.t.Helper()
	err := l.db.InTx(l.t.Context(), func(tx *database.Tx) error {
		fn(tx)
		return nil
	})
	if err != nil {
		l.t.Error(err)
	}
}

// bodies renders entries as sequence, ordinal and body.
func bodies(entries []chat.Entry) (all []string) {
	for _, e := range entries {
		all = append(all, fmt.Sprintf("%d %d %s", e.Sequence, e.Ordinal, e.Body))
	}
	return all
}

func TestNoticesAreDeduplicatedPerSource(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		l := open(t, url(t))
		const body = "Tariff changed for PET"
		l.inTx(func(tx *database.Tx) { l.appendNotice(tx, chat.Company, "7", body) })
		for range 2 {
			l.inTx(func(tx *database.Tx) {
				l.appendNoticeOf(tx, "payment", chat.Company, "7", body)
				l.appendNotice(tx, chat.Company, "7", body)
			})
		}
		l.inTx(func(tx *database.Tx) { l.appendNotice(tx, chat.Company, "7", "in other words") })
		entries := l.after(chat.Company, 0)
		if diff := cmp.Diff([]string{"1 1 " + body, "2 2 " + body}, bodies(entries)); diff != "" {
			t.Errorf("entries of the company feed (-want +got):\n%s", diff)
		}
		for _, e := range entries {
			if e.ID != "7" {
				t.Errorf("got entry id %s, want the event's id 7", e.ID)
			}
		}
	})
}

func TestNoticesOfATransactionAreStoredTogether(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		l := open(t, url(t))
		l.inTx(func(tx *database.Tx) { l.appendNotice(tx, chat.Company, "1", "alone") })
		l.inTx(func(tx *database.Tx) {
			l.appendNotice(tx, chat.Company, "2", "first")
			l.appendNotice(tx, chat.Own("jimmy"), "2", "for jimmy")
			l.appendNotice(tx, chat.Company, "1", "alone")
			l.appendNotice(tx, chat.Company, "2", "first")
			l.appendNoticeOf(tx, "payment", chat.Company, "2", "another service's")
		})
		want := []string{"1 1 alone", "2 2 first", "3 3 another service's"}
		if diff := cmp.Diff(want, bodies(l.after(chat.Company, 0))); diff != "" {
			t.Errorf("entries of the company feed (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"1 1 for jimmy"}, bodies(l.after(chat.Own("jimmy"), 0))); diff != "" {
			t.Errorf("entries of jimmy's feed (-want +got):\n%s", diff)
		}
		if len(l.committed) != 4 {
			t.Errorf("got committed entries %q, want 4", bodies(l.committed))
		}
		l.append(chat.Company, "", "after")
		if next := l.after(chat.Company, 3); len(next) != 1 {
			t.Errorf("got next entries %q, want 1", bodies(next))
		}
	})
}

func TestNoticesAreRolledBackWithTheirTransaction(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		l := open(t, url(t))
		failed := errors.New("failed")
		l.inTx(func(tx *database.Tx) {
			l.appendNotice(tx, chat.Company, "1", "before")
			err := tx.Savepoint(t.Context(), func() error {
				l.appendNotice(tx, chat.Company, "2", "rolled back")
				return failed
			})
			if !errors.Is(err, failed) {
				t.Errorf("savepoint: got error %v, want %v", err, failed)
			}
			l.appendNotice(tx, chat.Company, "3", "after")
		})
		err := l.db.InTx(t.Context(), func(tx *database.Tx) error {
			l.appendNotice(tx, chat.Company, "4", "rolled back, too")
			return failed
		})
		if !errors.Is(err, failed) {
			t.Errorf("transaction: got error %v, want %v", err, failed)
		}
		err = l.db.InTx(t.Context(), func(tx *database.Tx) error {
			l.appendNotice(tx, "nowhere", "5", "unknown stream")
			return nil
		})
		if !errors.Is(err, chat.ErrNoStream) {
			t.Errorf("unknown stream: got error %v, want %v", err, chat.ErrNoStream)
		}
		if diff := cmp.Diff([]string{"1 1 before", "2 2 after"}, bodies(l.after(chat.Company, 0))); diff != "" {
			t.Errorf("entries of the company feed (-want +got):\n%s", diff)
		}
	})
}

func TestConcurrentNoticesAndMessagesLeaveNoGap(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		l := open(t, url(t))
		const writers, each, times = 4, 10, 5
		streams := []string{chat.Company, chat.Own("jimmy"), chat.General}
		var writing sync.WaitGroup
		for w := range writers {
			writing.Go(func() {
				for i := range times {
					l.inTx(func(tx *database.Tx) {
						for j := range each {
							id := fmt.Sprintf("%d-%d-%d", w, i, j)
							l.appendNotice(tx, streams[j%3], id, id)
						}
					})
					l.append(chat.General, "jimmy", fmt.Sprintf("%d-%d", w, i))
				}
			})
		}
		writing.Wait()
		total := 0
		for _, stream := range streams {
			for i, e := range l.after(stream, 0) {
				total++
				if e.Sequence != int64(i+1) || e.Ordinal != e.Sequence {
					t.Fatalf("entry %d of %s: got %+v", i+1, stream, e)
				}
			}
		}
		if want := writers * times * (each + 1); total != want || len(l.committed) != want {
			t.Errorf("got %d entries, %d of them committed, want %d", total, len(l.committed), want)
		}
	})
}

// PostgreSQL ends a deadlock of transactions with an error.
func TestNoticesInAnyOrderDoNotDeadlock(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		l := open(t, url(t))
		const agents, writers, times = 8, 6, 10
		var profiles []chat.Profile
		for a := range agents {
			profiles = append(profiles, chat.Profile{Login: fmt.Sprint(a)})
		}
		if err := l.Introduce(t.Context(), profiles); err != nil {
			t.Fatal(err)
		}
		var writing sync.WaitGroup
		for w := range writers {
			writing.Go(func() {
				for i := range times {
					id := fmt.Sprintf("%d-%d", w, i)
					var drafts []chat.Draft
					for a := range agents { // Each writer starts at another agent, half of them backward.
						at := (a*(1-2*(w%2)) + w + agents) % agents
						drafts = append(drafts, chat.Draft{Stream: chat.Own(fmt.Sprint(at)), ID: id, Kind: chat.Notice, Body: id})
					}
					l.inTx(func(tx *database.Tx) {
						for _, d := range drafts {
							l.appendNotice(tx, d.Stream, d.ID, d.Body)
						}
					})
					for n := range drafts {
						drafts[n].Author = "admin"
					}
					if err := l.AppendAnnouncement(t.Context(), drafts); err != nil {
						t.Error(err)
					}
				}
			})
		}
		writing.Wait()
		for a := range agents {
			if n := len(l.after(chat.Own(fmt.Sprint(a)), 0)); n != 2*writers*times {
				t.Errorf("got %d entries for agent %d, want %d", n, a, 2*writers*times)
			}
		}
	})
}
