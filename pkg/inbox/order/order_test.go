package order_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"parley.internal/pkg/event"
	"parley.internal/pkg/inbox/order"
)

func ExampleSplit() {
	batch := []event.Message{
		{Type: "PolicyCreated", PartitionKey: "P-1", Sequence: 1},
		{Type: "PolicyCreated", PartitionKey: "P-2", Sequence: 1},
		{Type: "PolicyTerminated", PartitionKey: "P-1", Sequence: 2},
	}
	for worker, share := range order.Split(batch, 2) {
		for _, m := range share {
			fmt.Println("worker", worker, m.PartitionKey, m.Type)
		}
	}
	// Output:
	// worker 0 P-1 PolicyCreated
	// worker 0 P-1 PolicyTerminated
	// worker 1 P-2 PolicyCreated
}

func of(source, policy string, sequence int64) event.Message {
	return event.Message{ID: fmt.Sprintf("%s-%d", policy, sequence), Source: source, PartitionKey: policy, Sequence: sequence}
}

func TestPartitionStaysWithOneWorker(t *testing.T) {
	var batch []event.Message
	for n := range int64(5) {
		batch = append(batch, of("", "A", n+1), of("", "B", n+1), event.Message{ID: fmt.Sprint(n)})
	}
	batch = append(batch, of("other", "A", 1))
	var got []string
	for _, share := range order.Split(batch, 3) {
		var ids []string
		for _, m := range share {
			ids = append(ids, m.ID)
		}
		got = append(got, strings.Join(ids, " "))
	}
	want := []string{"A-1 A-2 A-3 A-4 A-5 A-1", "B-1 B-2 B-3 B-4 B-5", "0 1 2 3 4"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("shares (-want +got):\n%s", diff)
	}
}

func TestProgressIsTheLeastOfAllTypes(t *testing.T) {
	start := time.Now()
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	types := []string{"Sold", "Ended"}
	var p order.Progress
	p.Record(at(1), "Sold", at(1), types, time.Minute)
	if got := p.AsOf(at(9)); !got.IsZero() {
		t.Errorf("got %s before both types have caught up, want none", got)
	}
	p.Record(at(2), "Ended", at(2), types, time.Minute)
	p.Record(at(3), "Sold", at(3), types, time.Minute)
	for _, tt := range []struct{ asOf, want int }{{2, 1}, {3, 2}, {9, 2}} {
		if got := p.AsOf(at(tt.asOf)); !got.Equal(at(tt.want)) {
			t.Errorf("as of second %d got %s, want second %d", tt.asOf, got.Sub(start), tt.want)
		}
	}
	if got := p.AsOf(at(1)); !got.IsZero() {
		t.Errorf("got %s as of second 1, want none", got)
	}
}
