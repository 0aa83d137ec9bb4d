package signalr

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestQueueCountsWhatIsBeingWritten(t *testing.T) {
	q := newQueue(10)
	steps := []struct {
		name string
		do   func() any
		want any
	}{
		{"a record beyond the limit fits alone", func() any { return q.put(make([]byte, 20)) }, true},
		{"it is taken whole", func() any { _, n := q.take(5); return n }, 20},
		{"it is written", func() any { q.written(20); return q.bytes }, 0},
		{"a record fits", func() any { return q.put([]byte("12345")) }, true},
		{"so does another", func() any { return q.put([]byte("6789")) }, true},
		{"a batch ends before its size", func() any { b, n := q.take(6); return []any{len(b), n} }, []any{1, 5}},
		{"what is being written still counts", func() any { return q.put([]byte("ab")) }, false},
		{"then nothing waits", func() any { b, _ := q.take(100); return len(b) }, 0},
		{"and nothing is kept", func() any { return q.put([]byte("c")) && len(q.waiting) == 0 }, true},
	}
	for _, s := range steps {
		if diff := cmp.Diff(s.want, s.do()); diff != "" {
			t.Fatalf("%s (-want +got):\n%s", s.name, diff)
		}
	}
}

func TestSealedQueueGivesWhatWaits(t *testing.T) {
	q := newQueue(10)
	q.put([]byte("a"))
	q.seal()
	q.put([]byte("b"))
	if got, _ := q.take(100); len(got) != 1 || string(got[0]) != "a" {
		t.Errorf("took %q, want a", got)
	}
	q = newQueue(10)
	q.put([]byte("a"))
	q.drop()
	if got, _ := q.take(100); len(got) != 0 {
		t.Errorf("took %q, want nothing", got)
	}
}
