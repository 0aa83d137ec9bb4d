package event

import (
	"context"
	"sync"
)

// Trace collects the ids of the events that a piece of work has caused, so that
// a line in the log can name them. It is safe for concurrent use.
type Trace struct {
	mu  sync.Mutex
	ids []string
}

// IDs are those collected so far.
func (t *Trace) IDs() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.ids
}

type traceKey struct{}

// NewTrace is ctx with a Trace in it, which what is called with ctx adds to.
func NewTrace(ctx context.Context) (context.Context, *Trace) {
	t := &Trace{}
	return context.WithValue(ctx, traceKey{}, t), t
}

// Caused adds an event's id to the Trace in ctx, if there is one.
func Caused(ctx context.Context, id string) {
	t, ok := ctx.Value(traceKey{}).(*Trace)
	if !ok {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ids = append(t.ids, id)
}
