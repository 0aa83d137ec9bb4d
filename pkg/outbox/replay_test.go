package outbox_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley.internal/pkg/database/databasetest"
	"parley.internal/pkg/event"
	"parley.internal/pkg/event/archive"
	"parley.internal/pkg/outbox"
)

func TestPublishedEventsAreReplayedUnchanged(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		db := open(t, url(t))
		o := outbox.New(db, "policy", quiet)
		write(t, db, o, "P-1", nil, "1", "2")
		write(t, db, o, "P-2", nil, "3")
		stats, err := o.Stats(t.Context())
		if err != nil || stats.Pending != 3 || stats.Published != 0 || time.Since(stats.Oldest) > time.Minute {
			t.Errorf("error %v, stats %+v", err, stats)
		}
		var got []event.Message
		publishAll := func() { // Starts a relay and stops it when all events are sent.
			t.Helper()
			stop := relay(t, o, publisher(func(m event.Message) error { got = append(got, m); return nil }))
			eventually(t, "all events are sent", func() bool {
				return slices.Equal(column(t, db, "SELECT DISTINCT state FROM outbox_event"), []string{"sent"})
			})
			stop()
		}
		publishAll()
		stats, err = o.Stats(t.Context())
		if diff := cmp.Diff(outbox.Stats{Published: 3}, stats); err != nil || diff != "" {
			t.Errorf("error %v, stats (-want +got):\n%s", err, diff)
		}
		first := got[:3:3]
		tests := map[string]struct {
			filter archive.Filter
			want   []int // of first
		}{
			"by id":                   {archive.Filter{IDs: []string{first[2].ID, first[0].ID, "none"}}, []int{0, 2}},
			"by type":                 {archive.Filter{Type: "Sold"}, []int{0, 1, 2}},
			"by another type":         {archive.Filter{Type: "Renewed"}, nil},
			"by partition":            {archive.Filter{PartitionKey: "P-1"}, []int{0, 1}},
			"since they happened":     {archive.Filter{Since: first[2].Time}, []int{2}},
			"until they happened":     {archive.Filter{Until: first[2].Time}, []int{0, 1}},
			"by partition and number": {archive.Filter{PartitionKey: "P-2", IDs: []string{first[0].ID}}, nil},
		}
		for name, tt := range tests {
			t.Run(name, func(t *testing.T) {
				got = nil
				if replayed, err := o.Replay(t.Context(), tt.filter, true); err != nil || replayed.Events != int64(len(tt.want)) {
					t.Errorf("error %v, would replay %+v", err, replayed)
				}
				publishAll()
				if len(got) > 0 {
					t.Errorf("a dry replay published %v", got)
				}
				if replayed, err := o.Replay(t.Context(), tt.filter, false); err != nil || replayed.Events != int64(len(tt.want)) {
					t.Errorf("error %v, replayed %+v", err, replayed)
				}
				publishAll()
				var want []event.Message
				for _, at := range tt.want {
					want = append(want, first[at])
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("published (-want +got):\n%s", diff)
				}
			})
		}
		list, err := o.List(t.Context(), archive.Filter{States: []string{"sent"}, Limit: 2})
		if err != nil || len(list) != 2 || list[0].ID != first[2].ID || list[0].Source != "policy" || list[0].At.IsZero() {
			t.Errorf("error %v, list %+v", err, list)
		}
	})
}
