package event

import (
	"context"
	"sync"
)

// Trace collects the ids of the events that a request has caused, for the log. A Trace
// is safe for concurrent use.
type Trace struct {
	mu  sync.Mutex
	ids []string
}

// IDs returns the collected ids.
func (t *Trace) IDs() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.ids
}

type traceKey struct{}

// NewTrace returns ctx with a new Trace.
func NewTrace(ctx context.Context) (context.Context, *Trace) {
	t := &Trace{}
	return context.WithValue(ctx, traceKey{}, t), t
}

// Caused adds the id of an event to the Trace in ctx, if there is any.
func Caused(ctx context.Context, id string) {
	if t, ok := ctx.Value(traceKey{}).(*Trace); ok {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.ids = append(t.ids, id)
	}
}
