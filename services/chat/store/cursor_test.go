package store_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"parley.internal/chat"
	"parley.internal/pkg/database/databasetest"
)

func TestRolledBackStreamsAreFound(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		l := open(t, url(t))
		read := chat.Cursors{chat.Company: {}}
		for i := range 250 {
			stream := chat.Own(fmt.Sprint(i))
			read[stream] = l.append(stream, "", "a").Cursor()
		}
		check := func(want ...string) {
			t.Helper()
			rolledBack, err := l.RolledBack(t.Context(), read)
			if diff := cmp.Diff(want, rolledBack, cmpopts.SortSlices(strings.Compare)); err != nil || diff != "" {
				t.Errorf("rolled back streams, error %v (-want +got):\n%s", err, diff)
			}
		}
		check()
		read[chat.Own("7")] = chat.Cursor{Sequence: 2, Tag: read[chat.Own("7")].Tag}
		read[chat.Own("70")] = chat.Cursor{Sequence: 1, Tag: "other"}
		read["gone"] = chat.Cursor{Sequence: 1, Tag: "other"}
		check(chat.Own("7"), chat.Own("70"), "gone")
	})
}
