package store_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"parley.internal/chat"
	"parley.internal/pkg/database/databasetest"
)

func TestHeadsAreListedNewestFirst(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		l := open(t, url(t))
		first := l.append(chat.General, "jimmy", "a")
		last := l.append(chat.Own("jimmy"), "", "b")
		newest := chat.Head{Stream: chat.Own("jimmy"), Cursor: last.Cursor()}
		general := chat.Head{Stream: chat.General, Cursor: first.Cursor()}
		for since, want := range map[time.Time][]chat.Head{
			{}:                                  {newest, general, {Stream: chat.Company}},
			last.At:                             {newest},
			last.At.Add(time.Nanosecond * 1000): {},
		} {
			heads, err := l.Heads(t.Context(), since)
			if since.Equal(last.At) { // Both may have the same microsecond.
				heads = slices.DeleteFunc(heads, func(h chat.Head) bool { return h == general })
			}
			if diff := cmp.Diff(want, heads, cmpopts.EquateEmpty()); err != nil || diff != "" {
				t.Errorf("heads since %s, error %v (-want +got):\n%s", since, err, diff)
			}
		}
	})
}
