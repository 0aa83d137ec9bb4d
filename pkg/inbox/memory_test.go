package inbox_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"parley.internal/pkg/database"
	"parley.internal/pkg/database/databasetest"
	"parley.internal/pkg/event"
	"parley.internal/pkg/event/archive"
)

// heavy is an inbox with a handler that fails until the test mends it, and then
// records how much memory is in use.
type heavy struct {
	*receiver

	mended bool
	most   uint64
}

func newHeavy(t *testing.T, db *database.DB) *heavy {
	t.Helper()
	h := &heavy{}
	h.receiver = handling(t, db, func(ctx context.Context, tx *database.Tx, e sold) error {
		if !h.mended {
			return errPermanent
		}
		h.most = max(h.most, inUse())
		number, _, _ := strings.Cut(e.Number, " ")
		return record(ctx, tx, number)
	})
	return h
}

func inUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// large returns the nth event of policy P, with a body of a megabyte.
func large(sequence int64) event.Message {
	m := nth(sequence)
	m.Data = fmt.Appendf(nil, `{"number":"%d %s"}`, sequence, strings.Repeat("x", 1<<20))
	return m
}

const (
	largeMany  = 30
	largeInUse = 32 << 20 // eight bodies at once, and their decoding
)

func (h *heavy) wantAll(t *testing.T, before uint64) {
	t.Helper()
	if done := column(t, h.db, "SELECT number FROM effect"); len(done) != largeMany {
		t.Errorf("got %d handled events", len(done))
	}
	if h.most > before+largeInUse {
		t.Errorf("got %d MB in use", (h.most-before)>>20)
	}
}

func TestReplayOfLargeDeadLettersLimitsMemory(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		h := newHeavy(t, open(t, url(t)))
		for n := range int64(largeMany) {
			m := large(n + 1)
			m.PartitionKey, m.Sequence = "", 0
			h.receive(m)
		}
		if _, err := h.Replay(t.Context(), archive.Filter{}, false); err != nil {
			t.Fatal(err)
		}
		h.mended = true
		before := inUse()
		h.processAfter(0)
		h.wantAll(t, before)
		h.wantParked(t)
	})
}

func TestReleaseOfLargeEventsLimitsMemory(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, url func(*testing.T) string) {
		h := newHeavy(t, open(t, url(t)))
		h.mended = true
		for n := int64(largeMany); n > 1; n-- {
			h.receive(large(n))
		}
		before := inUse()
		h.receive(large(1))
		for range largeMany {
			h.processAfter(0)
		}
		h.wantAll(t, before)
		h.wantParked(t)
		if gaps := h.Counts().Gaps; gaps != 0 {
			t.Errorf("got %d gaps", gaps)
		}
	})
}
