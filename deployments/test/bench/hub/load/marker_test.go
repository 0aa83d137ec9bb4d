package load

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// stream returns the bytes of frames with these marks. The frames' headers look
// like the beginning of a marker.
func stream(marks []mark) string {
	var s strings.Builder
	for _, m := range marks {
		fmt.Fprintf(&s, "\x81\x7e\x40\x40@l{\"arguments\":[%q]}\x1e@", m.text(nil))
	}
	return s.String()
}

func TestScanFindsEachMarkerInAnyFragmentation(t *testing.T) {
	want := []mark{{by: 0, seq: 0, at: 1}, {by: 3, seq: 1 << 20, at: 1 << 40}, {by: maxPublishers - 1, seq: 7}}
	all := stream(want)
	for size := 1; size <= len(all); size++ {
		var got []mark
		var rest []byte
		for from := 0; from < len(all); from += size {
			data := slices.Concat(rest, []byte(all[from:min(from+size, len(all))]))
			rest = scan(data, func(m mark) { got = append(got, m) })
			if len(rest) >= markerSize {
				t.Fatalf("got a rest of %d bytes", len(rest))
			}
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(mark{})); diff != "" {
			t.Fatalf("in pieces of %d: %s", size, diff)
		}
	}
}

func TestTextHasDocumentedSize(t *testing.T) {
	if got := len(mark{by: 1, seq: 2, at: 3}.text(nil)); got != TextSize {
		t.Fatal(got)
	}
}
