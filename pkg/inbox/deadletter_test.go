package inbox_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"parley.internal/pkg/database/databasetest"
	"parley.internal/pkg/event"
	"parley.internal/pkg/event/archive"
	"parley.internal/pkg/inbox"
)

func TestDeadLettersAreCountedListedAndReplayed(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		in := newReceiver(t, url(t))
		in.failures["1"] = []error{errPermanent}
		in.failures["2"] = []error{errPermanent}
		in.failures["x"] = []error{errTransient, errTransient}
		broken := event.Message{ID: "b", Type: "Sold", Data: []byte("{broken"), Time: time.Now()}
		in.receive(nth(1), nth(2), nth(3), nth(5), unordered("x"), broken)
		in.want(t, "3")

		stats, err := in.Stats(t.Context())
		want := inbox.Stats{Waiting: 1, Retry: 1, DeduplicationIDs: 6, Dead: []inbox.DeadLetters{
			{"Sold", "handle Sold …: no such product", 2},
			{"Sold", "handle Sold …: decode Sold …: invalid character 'b' looking for beginning of object key string", 1},
		}}
		if diff := cmp.Diff(want, stats, cmpopts.IgnoreFields(inbox.Stats{}, "Oldest")); err != nil || diff != "" || time.Since(stats.Oldest) > time.Minute {
			t.Errorf("error %v, oldest %s, stats (-want +got):\n%s", err, stats.Oldest, diff)
		}
		one, err := in.List(t.Context(), archive.Filter{IDs: []string{"b"}, Bodies: true})
		if err != nil || len(one) != 1 || string(one[0].Data) != "{broken" || one[0].Error == "" || one[0].State != "dead" || one[0].Attempts != 1 {
			t.Errorf("error %v, %+v", err, one)
		}
		all, err := in.List(t.Context(), archive.Filter{})
		if err != nil || len(all) != 5 {
			t.Errorf("got %d parked events, error %v", len(all), err)
		}
		for _, e := range all {
			if e.Data != nil {
				t.Errorf("the list has the body of %s, want no bodies", e.ID)
			}
		}

		policy := archive.Filter{PartitionKey: "P"}
		for _, dry := range []bool{true, false} {
			replayed, err := in.Replay(t.Context(), policy, dry)
			if err != nil || replayed.Events != 2 || replayed.Types["Sold"] != 2 {
				t.Errorf("error %v, replayed %+v", err, replayed)
			}
			in.processAfter(0)
			if dry {
				in.want(t, "3")
			}
		}
		in.want(t, "3", "1", "2")
		in.wantParked(t, "b dead", "x retry", "5 waiting")
		in.receive(nth(4))
		in.want(t, "3", "1", "2", "4", "5")
	})
}

// An event without a record time is selected by its time of arrival, and is listed
// without a record time.
func TestEventWithoutTimeIsSelectedByArrival(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		in := newReceiver(t, url(t))
		before := time.Now().Truncate(time.Microsecond)
		old := unordered("old")
		old.Time = before.Add(-24 * time.Hour)
		in.failures["old"], in.failures["untold"] = []error{errPermanent}, []error{errPermanent}
		in.receive(old, unordered("untold"))
		tests := map[string]struct {
			filter archive.Filter
			want   []string
		}{
			"all, the newest first": {archive.Filter{}, []string{"untold", "old"}},
			"since before it came":  {archive.Filter{Since: before}, []string{"untold"}},
			"until before it came":  {archive.Filter{Until: before}, []string{"old"}},
			"since after it came":   {archive.Filter{Since: before.Add(time.Hour)}, nil},
		}
		for name, tt := range tests {
			list, err := in.List(t.Context(), tt.filter)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, e := range list {
				got = append(got, e.ID)
				if e.ID == "untold" && !e.Time.IsZero() {
					t.Errorf("got record time %s, want none", e.Time)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
			replayed, err := in.Replay(t.Context(), tt.filter, true)
			if err != nil || replayed.Events != int64(len(tt.want)) {
				t.Errorf("%s: error %v, would replay %+v", name, err, replayed)
			}
		}
		if replayed, err := in.Replay(t.Context(), archive.Filter{Since: before}, false); err != nil || replayed.First.Before(before) {
			t.Errorf("error %v, replayed %+v", err, replayed)
		}
		in.processAfter(0)
		in.want(t, "untold")
	})
}
