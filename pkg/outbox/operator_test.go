package outbox

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"parley.internal/pkg/database/databasetest"
	"parley.internal/pkg/event"
)

func TestDeadLettersAreCountedReadAndHandledAgain(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		in := newTold(t, url(t))
		in.failures["1"] = []error{errNever}
		in.failures["2"] = []error{errNever}
		in.failures["x"] = []error{errWeather, errWeather}
		broken := event.Message{ID: "b", Type: "Sold", Data: []byte("{broken"), Time: time.Now()}
		in.receive(nth(1), nth(2), nth(3), nth(5), loose("x"), broken)
		in.want("3")

		figures, err := in.Figures(t.Context())
		want := InboxFigures{Waiting: 1, Retry: 1, Remembered: 6, Dead: []DeadLetters{
			{"Sold", "handle Sold …: no such product", 2},
			{"Sold", "handle Sold …: decode Sold …: invalid character 'b' looking for beginning of object key string", 1},
		}}
		if diff := cmp.Diff(want, figures, cmpopts.IgnoreFields(InboxFigures{}, "Oldest")); err != nil || diff != "" || time.Since(figures.Oldest) > time.Minute {
			t.Errorf("error %v, oldest %s, figures (-want +got):\n%s", err, figures.Oldest, diff)
		}
		one, err := in.List(t.Context(), Filter{IDs: []string{"b"}, Bodies: true})
		if err != nil || len(one) != 1 || string(one[0].Data) != "{broken" || one[0].Error == "" || one[0].State != "dead" || one[0].Attempts != 1 {
			t.Errorf("error %v, %+v", err, one)
		}
		all, err := in.List(t.Context(), Filter{})
		if err != nil || len(all) != 5 {
			t.Errorf("error %v, %d events are parked", err, len(all))
		}
		for _, e := range all {
			if e.Data != nil {
				t.Errorf("a list holds the body of %s", e.ID)
			}
		}

		policy := Filter{PartitionKey: "P"}
		for _, dry := range []bool{true, false} {
			replayed, err := in.Replay(t.Context(), policy, dry)
			if err != nil || replayed.Events != 2 || replayed.Types["Sold"] != 2 {
				t.Errorf("error %v, replayed %+v", err, replayed)
			}
			in.sweep(0)
			if dry {
				in.want("3")
			}
		}
		in.want("3", "1", "2")
		in.wantParked("b dead", "x retry", "5 waiting")
		in.receive(nth(4))
		in.want("3", "1", "2", "4", "5")
	})
}

func TestPublishedEventsArePublishedAgainAsTheyWere(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		db := open(t, url(t))
		o := New(db, "policy", quiet)
		write(t, db, o, "P-1", nil, "1", "2")
		write(t, db, o, "P-2", nil, "3")
		figures, err := o.Figures(t.Context())
		if err != nil || figures.Pending != 3 || figures.Sent != 0 || time.Since(figures.Oldest) > time.Minute {
			t.Errorf("error %v, figures %+v", err, figures)
		}
		var got []event.Message
		r := NewRelay(o, publisher(func(m event.Message) error { got = append(got, m); return nil }))
		lookOnce(t, r)
		figures, err = o.Figures(t.Context())
		if diff := cmp.Diff(Figures{Sent: 3}, figures); err != nil || diff != "" {
			t.Errorf("error %v, figures (-want +got):\n%s", err, diff)
		}
		first := got[:3:3]
		tests := map[string]struct {
			filter Filter
			want   []int // of first
		}{
			"by id":                   {Filter{IDs: []string{first[2].ID, first[0].ID, "none"}}, []int{0, 2}},
			"by type":                 {Filter{Type: "Sold"}, []int{0, 1, 2}},
			"by another type":         {Filter{Type: "Renewed"}, nil},
			"by partition":            {Filter{PartitionKey: "P-1"}, []int{0, 1}},
			"since they happened":     {Filter{Since: first[2].Time}, []int{2}},
			"until they happened":     {Filter{Until: first[2].Time}, []int{0, 1}},
			"by partition and number": {Filter{PartitionKey: "P-2", IDs: []string{first[0].ID}}, nil},
		}
		for name, tt := range tests {
			t.Run(name, func(t *testing.T) {
				got = nil
				if replayed, err := o.Replay(t.Context(), tt.filter, true); err != nil || replayed.Events != int64(len(tt.want)) {
					t.Errorf("error %v, would replay %+v", err, replayed)
				}
				lookOnce(t, r)
				if len(got) > 0 {
					t.Errorf("a dry replay published %v", got)
				}
				if replayed, err := o.Replay(t.Context(), tt.filter, false); err != nil || replayed.Events != int64(len(tt.want)) {
					t.Errorf("error %v, replayed %+v", err, replayed)
				}
				lookOnce(t, r)
				var want []event.Message
				for _, at := range tt.want {
					want = append(want, first[at])
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("published (-want +got):\n%s", diff)
				}
			})
		}
		list, err := o.List(t.Context(), Filter{States: []string{"sent"}, Limit: 2})
		if err != nil || len(list) != 2 || list[0].ID != first[2].ID || list[0].Source != "policy" || list[0].At.IsZero() {
			t.Errorf("error %v, list %+v", err, list)
		}
	})
}

// A foreign publisher need not say when something happened: it is chosen by when
// it came, and still tells no time of its own.
func TestWhatHasNoTimeIsChosenByWhenItCame(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		in := newTold(t, url(t))
		before := time.Now().Truncate(time.Microsecond)
		old := loose("old")
		old.Time = before.Add(-24 * time.Hour)
		in.failures["old"], in.failures["untold"] = []error{errNever}, []error{errNever}
		in.receive(old, loose("untold"))
		tests := map[string]struct {
			filter Filter
			want   []string
		}{
			"all, the newest first": {Filter{}, []string{"untold", "old"}},
			"since before it came":  {Filter{Since: before}, []string{"untold"}},
			"until before it came":  {Filter{Until: before}, []string{"old"}},
			"since after it came":   {Filter{Since: before.Add(time.Hour)}, nil},
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
					t.Errorf("it is said to have happened at %s", e.Time)
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
		if replayed, err := in.Replay(t.Context(), Filter{Since: before}, false); err != nil || replayed.First.Before(before) {
			t.Errorf("error %v, replayed %+v", err, replayed)
		}
		in.sweep(0)
		in.want("untold")
	})
}
