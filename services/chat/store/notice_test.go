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

func (l *log) note(tx *database.Tx, stream, id, body string) {
	l.noteOf(tx, "policy", stream, id, body)
}

// noteOf notes what another service has published.
func (l *log) noteOf(tx *database.Tx, source, stream, id, body string) {
	l.Note(l.t.Context(), tx, chat.Draft{Stream: stream, Source: source, ID: id, Kind: chat.Notice, Body: body})
}

// noteAlone notes in a transaction of its own.
func (l *log) noteAlone(d chat.Draft) error {
	return l.db.InTx(l.t.Context(), func(tx *database.Tx) error {
		l.Note(l.t.Context(), tx, d)
		return nil
	})
}

// Ids are their publisher's: two may count alike, and say the same.
func TestTwoPublishersNoticesAreTwoThoughTheyAreAlike(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		l := open(t, url(t))
		alone := func(id, body string) {
			t.Helper()
			if err := l.noteAlone(chat.Draft{Stream: chat.Company, Source: "policy", ID: id, Kind: chat.Notice, Body: body}); err != nil {
				t.Error(err)
			}
		}
		both := func() {
			t.Helper()
			err := l.db.InTx(t.Context(), func(tx *database.Tx) error {
				l.noteOf(tx, "payment", chat.Company, "7", "Tariff changed for PET")
				l.noteOf(tx, "policy", chat.Company, "7", "Tariff changed for PET")
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		}
		alone("7", "Tariff changed for PET")
		both()
		both()
		alone("7", "in other words")
		entries := l.after(chat.Company, 0)
		if diff := cmp.Diff([]string{"1 1 Tariff changed for PET", "2 2 Tariff changed for PET"}, bodies(entries)); diff != "" {
			t.Errorf("the company feed (-want +got):\n%s", diff)
		}
		for _, e := range entries {
			if e.ID != "7" {
				t.Errorf("the event 7 cannot be followed to the entry %s", e.ID)
			}
		}
	})
}

func bodies(entries []chat.Entry) (all []string) {
	for _, e := range entries {
		all = append(all, fmt.Sprintf("%d %d %s", e.Sequence, e.Ordinal, e.Body))
	}
	return all
}

func TestNoticesOfATransactionAreStoredTogether(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		l := open(t, url(t))
		alone := func(id, body string) {
			t.Helper()
			if err := l.noteAlone(chat.Draft{Stream: chat.Company, Source: "policy", ID: id, Kind: chat.Notice, Body: body}); err != nil {
				t.Error(err)
			}
		}
		alone("1", "alone")
		err := l.db.InTx(t.Context(), func(tx *database.Tx) error {
			l.note(tx, chat.Company, "2", "first")
			l.note(tx, chat.Own("jimmy"), "2", "for jimmy")
			l.note(tx, chat.Company, "1", "alone")
			l.note(tx, chat.Company, "2", "first")
			l.noteOf(tx, "payment", chat.Company, "2", "another publisher's")
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		want := []string{"1 1 alone", "2 2 first", "3 3 another publisher's"}
		if diff := cmp.Diff(want, bodies(l.after(chat.Company, 0))); diff != "" {
			t.Errorf("the company feed (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"1 1 for jimmy"}, bodies(l.after(chat.Own("jimmy"), 0))); diff != "" {
			t.Errorf("jimmy's feed (-want +got):\n%s", diff)
		}
		if len(l.told) != 4 {
			t.Errorf("told of %q", bodies(l.told))
		}
		l.append(chat.Company, "", "after")
		if heads := l.after(chat.Company, 3); len(heads) != 1 {
			t.Errorf("the next entry is %q", bodies(heads))
		}
	})
}

func TestNoticesAreUndoneWithTheirTransaction(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		l := open(t, url(t))
		refused := errors.New("refused")
		err := l.db.InTx(t.Context(), func(tx *database.Tx) error {
			l.note(tx, chat.Company, "1", "before")
			err := tx.Savepoint(t.Context(), func() error {
				l.note(tx, chat.Company, "2", "undone")
				return refused
			})
			l.note(tx, chat.Company, "3", "after")
			if !errors.Is(err, refused) {
				return err
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		err = l.db.InTx(t.Context(), func(tx *database.Tx) error {
			l.note(tx, chat.Company, "4", "undone too")
			return refused
		})
		if !errors.Is(err, refused) {
			t.Errorf("got error %v", err)
		}
		err = l.noteAlone(chat.Draft{Stream: "nowhere", ID: "5", Kind: chat.Notice})
		if !errors.Is(err, chat.ErrNoStream) {
			t.Errorf("got error %v", err)
		}
		if diff := cmp.Diff([]string{"1 1 before", "2 2 after"}, bodies(l.after(chat.Company, 0))); diff != "" {
			t.Errorf("the company feed (-want +got):\n%s", diff)
		}
	})
}

func TestNoticesAndMessagesOfManyLeaveNoHole(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		l := open(t, url(t))
		const writers, each, times = 4, 10, 5
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for i := range times {
					err := l.db.InTx(t.Context(), func(tx *database.Tx) error {
						for j := range each {
							id := fmt.Sprintf("%d-%d-%d", w, i, j)
							l.note(tx, []string{chat.Company, chat.Own("jimmy"), chat.General}[j%3], id, id)
						}
						return nil
					})
					if err != nil {
						t.Error(err)
					}
					l.append(chat.General, "jimmy", fmt.Sprintf("%d-%d", w, i))
				}
			})
		}
		wg.Wait()
		total := 0
		for _, stream := range []string{chat.Company, chat.Own("jimmy"), chat.General} {
			for i, e := range l.after(stream, 0) {
				total++
				if e.Sequence != int64(i+1) || e.Ordinal != e.Sequence {
					t.Fatalf("entry %d of %s is %+v", i, stream, e)
				}
			}
		}
		if want := writers * times * (each + 1); total != want || len(l.told) != want {
			t.Errorf("%d entries, told of %d, want %d", total, len(l.told), want)
		}
	})
}

// Transactions that tell the same agents in different orders must not wait for
// each other in a circle, which PostgreSQL would end with an error.
func TestTransactionsToldInAnyOrderDoNotDeadlock(t *testing.T) {
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
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for i := range times {
					id := fmt.Sprintf("%d-%d", w, i)
					var drafts []chat.Draft
					for a := range agents { // Each writer begins somewhere else, half of them go backwards.
						at := (a*(1-2*(w%2)) + w + agents) % agents
						drafts = append(drafts, chat.Draft{Stream: chat.Own(fmt.Sprint(at)), ID: id, Kind: chat.Notice, Body: id})
					}
					err := l.db.InTx(t.Context(), func(tx *database.Tx) error {
						for _, d := range drafts {
							l.note(tx, d.Stream, d.ID, d.Body)
						}
						return nil
					})
					for n := range drafts {
						drafts[n].Author = "admin"
					}
					if err := errors.Join(err, l.Announce(t.Context(), drafts)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		for a := range agents {
			if n := len(l.after(chat.Own(fmt.Sprint(a)), 0)); n != 2*writers*times {
				t.Errorf("%d was told %d times", a, n)
			}
		}
	})
}
